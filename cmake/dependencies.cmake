# What p80 is built from: name, version, SHA-256 of upstream's archive, the folder inside it, and where it comes
# from. The archives are looked for in P80_SOURCES (cmake/setup.sh puts them there through Debian's package
# manager) and fetched from upstream when they are not there. A wrong hash stops the build.
# Why these: docs/dependencies.md.

set(P80_SOURCES "${CMAKE_SOURCE_DIR}/build/sources" CACHE PATH "folder with the archives of the dependencies")

function(p80_dependency name version sha256 folder url)
  set(archive "${P80_SOURCES}/${name}-${version}.tar.gz")
  if(NOT EXISTS "${archive}")
    message(STATUS "Fetching ${url}")
    file(DOWNLOAD "${url}" "${archive}" TLS_VERIFY ON STATUS status)
    list(GET status 0 code)
    if(NOT code EQUAL 0)
      file(REMOVE "${archive}")
      message(FATAL_ERROR "${name} ${version}: cannot fetch ${url}: ${status}")
    endif()
  endif()
  file(SHA256 "${archive}" actual)
  if(NOT actual STREQUAL sha256)
    message(FATAL_ERROR "${archive}: SHA-256 is ${actual}, but ${name} ${version} has ${sha256}")
  endif()
  set(target "${CMAKE_BINARY_DIR}/dependencies")
  file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${target}")
  string(TOUPPER "${name}" upper)
  set(${upper}_DIR "${target}/${folder}" PARENT_SCOPE)
  set(${upper}_VERSION ${version} PARENT_SCOPE)
endfunction()

p80_dependency(lua 5.4.7 9fbf5e28ef86c69858f6d3d34eccc32e911c1a28b4120ff3e84aaa70cfbf1e30
  lua-5.4.7 https://www.lua.org/ftp/lua-5.4.7.tar.gz)
p80_dependency(luafilesystem 1.8.0 a1b7cf748ef2cdb6d75ebaa82a9c91b383fabc541b96febb1f9de98f06b8c188
  lua-filesystem-1.8.0 https://github.com/lunarmodules/luafilesystem/archive/refs/tags/v1_8_0.tar.gz)
p80_dependency(libdeflate 1.23 1ab18349b9fb0ce8a0ca4116bded725be7dcbfa709e19f6f983d99df1fb8b25f
  libdeflate-1.23 https://github.com/ebiggers/libdeflate/archive/refs/tags/v1.23.tar.gz)
p80_dependency(dkjson 2.8 24e8cd3beb91c1c861eb7bb3fbc9bd418bbff9ad4aa5d0471816258236a31532
  dkjson-2.8 http://dkolf.de/dkjson-lua/dkjson-2.8.tar.gz)
p80_dependency(argparse 0.7.1 d344e49404c3e7b3e7fa4fe6741c106f25909d9b24923cb08dcceda1f9754809
  argparse-0.7.1 https://github.com/luarocks/argparse/archive/refs/tags/0.7.1.tar.gz)
p80_dependency(inspect 3.1.1 0292f4960ef0ccb2c7334911981b280f9016c57a29c90c5ff5d3823621f6e0db
  inspect.lua-3.1.1 https://github.com/kikito/inspect.lua/archive/refs/tags/v3.1.1.tar.gz)
p80_dependency(luacheck 1.2.0 8efe62a7da4fdb32c0c22ec1f7c9306cbc397d7d40493c29988221a059636e25
  luacheck-1.2.0 https://github.com/lunarmodules/luacheck/archive/refs/tags/v1.2.0.tar.gz)
p80_dependency(libsodium 1.0.18 d59323c6b712a1519a5daf710b68f5e7fde57040845ffec53850911f10a5d4f4
  libsodium-1.0.18 https://github.com/jedisct1/libsodium/archive/refs/tags/1.0.18.tar.gz)
p80_dependency(luaunit 3.4 b8aea5826f09749d149efa8ef1b13f81e6a9fc6abfbe4c1cbf87a558a6d4e8d0
  luaunit-LUAUNIT_V3_4 https://github.com/bluebird75/luaunit/archive/refs/tags/LUAUNIT_V3_4.tar.gz)

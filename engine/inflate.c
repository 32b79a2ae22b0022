#include "inflate.h"

#include <lauxlib.h>
#include <libdeflate.h>

#include "luax.h"

enum { LARGEST = 256 << 20 };

int inflate_all(const void *packed, size_t packed_size, void *text, size_t size) {
  struct libdeflate_decompressor *unpacker = libdeflate_alloc_decompressor();
  size_t taken = 0;
  if (unpacker == NULL) return 0;
  enum libdeflate_result result =
      libdeflate_deflate_decompress_ex(unpacker, packed, packed_size, text, size, &taken, NULL);
  libdeflate_free_decompressor(unpacker);
  return result == LIBDEFLATE_SUCCESS && taken == packed_size;
}

int inflate_call(lua_State *L) {
  size_t packed_size;
  luaL_Buffer text;
  const char *packed = luaL_checklstring(L, 1, &packed_size);
  size_t size = (size_t)luax_checkinteger(L, 2, "size", 0, LARGEST);
  char *room = luaL_buffinitsize(L, &text, size);
  int whole = inflate_all(packed, packed_size, room, size);
  luaL_pushresultsize(&text, whole ? size : 0);
  if (!whole) lua_pushnil(L);
  return 1;
}

/* win.http.urlacl: which accounts may register a URL with HTTP.SYS. A reservation holds no port.
 * https://learn.microsoft.com/windows/win32/http/namespace-reservations-registrations-and-routing */
#include <stddef.h>
#include <string.h>
#include <wchar.h>

#include "http_config.h"
#include "luax.h"
#include "subjects.h"
#include "winapi.h"

/* http.urlacl.list() -> rows {url, sddl}. urlacl.lua calls it when the HTTP service runs; it would start it.
 * https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_urlacl_query */
static int urlacl_list(lua_State *L) {
  ULONG size;
  urlacl_query query = {HTTP_QUERY_NEXT, NULL, 0};
  luax_arguments(L, 0, 0);
  http_config_open(L);
  lua_newtable(L);
  for (;; query.token++) {
    const urlacl_set *record = http_config_query(L, HTTP_URLACL, &query, sizeof query, &size);
    if (record == NULL) break;
    lua_createtable(L, 0, 3);
    http_config_settext(L, "url", record->url, record, size);
    http_config_settext(L, "sddl", record->sddl, record, size);
    lua_rawseti(L, -3, (lua_Integer)query.token + 1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return 1;
}

/* ---- Security descriptors ---- */

static void free_local(UINT_PTR memory) { LocalFree((HLOCAL)memory); }

/* Pushes the access list of a security descriptor as SDDL (+2); returns Windows' code, and pushes nothing of use when
 * that is not 0.
 * https://learn.microsoft.com/windows/win32/api/sddl/nf-sddl-convertsecuritydescriptortostringsecuritydescriptorw */
static DWORD push_sddl(lua_State *L, PSECURITY_DESCRIPTOR descriptor) {
  wchar_t *text;
  luax_handle *slot = luax_newhandle(L, free_local);
  if (!win32.ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, SDDL_REVISION_1,
                                                                  DACL_SECURITY_INFORMATION, &text, NULL)) {
    DWORD code = GetLastError();
    return code ? code : ERROR_INVALID_SECURITY_DESCR; /* Wine may fail without saying why */
  }
  slot->value = (UINT_PTR)text;
  luax_pushwidez(L, text);
  return NO_ERROR;
}

/* http.urlacl.canonical(sddl) -> the access list in it as Windows writes it, so that equal ones are equal text
 * https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format */
static int urlacl_canonical(lua_State *L) {
  PSECURITY_DESCRIPTOR descriptor;
  luax_arguments(L, 1, 1);
  winapi_load(L, "advapi32");
  const wchar_t *text = luax_checkwide(L, 1, "sddl", NULL);
  luax_handle *slot = luax_newhandle(L, free_local);
  if (!win32.ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1, &descriptor, NULL))
    luax_badvalue(L, 1, "sddl", "an access list as SDDL such as D:(A;;GX;;;S-1-5-20)");
  slot->value = (UINT_PTR)descriptor;
  DWORD code = push_sddl(L, descriptor);
  if (code != NO_ERROR) luax_fail(L, "sddl", code);
  if (strncmp(lua_tostring(L, -1), "D:", 2) != 0)
    luax_badvalue(L, 1, "sddl", "an access list as SDDL such as D:(A;;GX;;;S-1-5-20)");
  return 1;
}

/* A copy of `size` bytes that may be read as a security descriptor whatever they are: its parts begin within the
 * bytes, and no part can be larger than the zeros behind them (an access list tells its size in 16 bits). +1. */
static PSECURITY_DESCRIPTOR copy_descriptor(lua_State *L, const char *bytes, size_t size) {
  enum { LARGEST_PART = 0x20000 };
  SECURITY_DESCRIPTOR_RELATIVE header;
  if (size < sizeof header || size > LARGEST_PART) return NULL;
  memcpy(&header, bytes, sizeof header);
  int is_relative = header.Revision == SECURITY_DESCRIPTOR_REVISION && header.Control & SE_SELF_RELATIVE;
  if (!is_relative || header.Owner >= size || header.Group >= size || header.Sacl >= size || header.Dacl >= size)
    return NULL;
  char *copy = luax_buffer(L, size + LARGEST_PART);
  memcpy(copy, bytes, size);
  return win32.IsValidSecurityDescriptor(copy) && win32.GetSecurityDescriptorLength(copy) <= size ? copy : NULL;
}

/* http.urlacl.sddl_of(bytes) -> the access list of a self-relative security descriptor, as the registry has it, in
 * SDDL; nil when the bytes are none
 * https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-security_descriptor */
static int urlacl_sddl_of(lua_State *L) {
  size_t size;
  luax_arguments(L, 1, 1);
  winapi_load(L, "advapi32");
  const char *bytes = luaL_checklstring(L, 1, &size);
  PSECURITY_DESCRIPTOR descriptor = copy_descriptor(L, bytes, size);
  return descriptor != NULL && push_sddl(L, descriptor) == NO_ERROR;
}

/* ---- Changing ---- */

/* http.urlacl.add(url, sddl): reserves a URL. ERROR_ALREADY_EXISTS when it is reserved already: Windows overwrites
 * none.
 * https://learn.microsoft.com/windows/win32/api/http/ns-http-http_service_config_urlacl_set */
static int urlacl_add(lua_State *L) {
  luax_arguments(L, 2, 2);
  urlacl_set record = {(wchar_t *)luax_checkwide(L, 1, "url", NULL), NULL};
  record.sddl = (wchar_t *)luax_checkwide(L, 2, "sddl", NULL);
  http_config_open(L);
  DWORD code = http_config_set(HTTP_URLACL, &record, sizeof record);
  if (code != NO_ERROR) luax_fail(L, lua_tostring(L, 1), code);
  return 0;
}

/* http.urlacl.delete(url): takes a reservation back, if there is one. */
static int urlacl_delete(lua_State *L) {
  luax_arguments(L, 1, 1);
  urlacl_set record = {(wchar_t *)luax_checkwide(L, 1, "url", NULL), NULL};
  http_config_open(L);
  DWORD code = http_config_delete(HTTP_URLACL, &record, sizeof record);
  if (code != NO_ERROR && code != ERROR_FILE_NOT_FOUND) luax_fail(L, lua_tostring(L, 1), code);
  return 0;
}

static const luaL_Reg reads[] = {
    {"list", urlacl_list}, {"canonical", urlacl_canonical}, {"sddl_of", urlacl_sddl_of}, {NULL, NULL}};
static const luaL_Reg writes[] = {{"add", urlacl_add}, {"delete", urlacl_delete}, {NULL, NULL}};

const luax_subject urlacl_subject = {"http.urlacl", reads, writes, "urlacl"};

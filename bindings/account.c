/* win.account: names and SIDs of accounts. */
#include <stddef.h>
#include <wchar.h>

#include "luax.h"
#include "sid.h"
#include "subjects.h"
#include "token.h"
#include "winapi.h"

static void free_local(UINT_PTR memory) { LocalFree((HLOCAL)memory); }

/* SID_NAME_USE: https://learn.microsoft.com/windows/win32/api/winnt/ne-winnt-sid_name_use */
static void set_type(lua_State *L, int table, SID_NAME_USE use) {
  static const char *const types[] = {NULL,      "user",    "group",   "domain",   "alias", "well_known",
                                      "deleted", "invalid", "unknown", "computer", "label", "logon_session"};
  if (use <= 0 || (size_t)use >= sizeof types / sizeof *types) return;
  lua_pushstring(L, types[use]);
  lua_setfield(L, table, "type");
}

/* Fills in what is known here about a SID: name, domain, type. The SID of an account that is gone has no name.
 * https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountsidw */
static void set_name(lua_State *L, int table, PSID sid) {
  wchar_t name[256], domain[256];
  DWORD name_units = 256, domain_units = 256;
  SID_NAME_USE use;
  if (!win32.LookupAccountSidW(NULL, sid, name, &name_units, domain, &domain_units, &use)) {
    DWORD code = GetLastError();
    if (code == ERROR_NONE_MAPPED) return;
    lua_getfield(L, table, "sid");
    luax_fail(L, lua_tostring(L, -1), code);
  }
  luax_pushwidez(L, domain);
  lua_pushvalue(L, -1);
  lua_setfield(L, table, "domain");
  lua_pushstring(L, *domain && *name ? "\\" : "");
  luax_pushwidez(L, name);
  lua_concat(L, 3);
  lua_setfield(L, table, "name");
  set_type(L, table, use);
}

static int push_account(lua_State *L, PSID sid) {
  lua_createtable(L, 0, 4);
  int table = lua_gettop(L);
  sid_push(L, sid);
  if (lua_isnil(L, -1)) luax_fail(L, "SID", GetLastError());
  lua_setfield(L, table, "sid");
  set_name(L, table, sid);
  lua_pushvalue(L, table);
  return 1;
}

/* https://learn.microsoft.com/windows/win32/api/sddl/nf-sddl-convertstringsidtosidw */
static int account_by_sid(lua_State *L) {
  PSID sid;
  luax_arguments(L, 1, 1);
  winapi_load(L, "advapi32");
  const wchar_t *text = luax_checkwide(L, 1, "account", NULL);
  luax_handle *slot = luax_newhandle(L, free_local);
  if (!win32.ConvertStringSidToSidW(text, &sid)) return 0;
  slot->value = (UINT_PTR)sid;
  return push_account(L, sid);
}

/* https://learn.microsoft.com/windows/win32/api/winbase/nf-winbase-lookupaccountnamew */
static int account_by_name(lua_State *L) {
  DWORD sid_size = SECURITY_MAX_SID_SIZE, domain_units = 256;
  luax_arguments(L, 1, 1);
  winapi_load(L, "advapi32");
  const wchar_t *name = luax_checkwide(L, 1, "account", NULL);
  for (;;) {
    SID_NAME_USE use;
    PSID sid = luax_buffer(L, sid_size);
    wchar_t *domain = luax_buffer(L, domain_units * sizeof *domain);
    if (win32.LookupAccountNameW(NULL, name, sid, &sid_size, domain, &domain_units, &use))
      return push_account(L, sid);
    DWORD code = GetLastError();
    if (code == ERROR_NONE_MAPPED) return 0;
    if (code != ERROR_INSUFFICIENT_BUFFER) luax_fail(L, lua_tostring(L, 1), code);
    lua_pop(L, 2);
  }
}

static int account_current(lua_State *L) {
  token_room own;
  luax_arguments(L, 0, 0);
  winapi_load(L, "advapi32");
  return push_account(L, token_user(L, &own));
}

/* account.canonical(sddl) -> the security descriptor as Windows writes it; nil when it is none
 * https://learn.microsoft.com/windows/win32/secauthz/security-descriptor-string-format */
static int account_canonical(lua_State *L) {
  enum {
    PARTS = OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION |
            SACL_SECURITY_INFORMATION
  };
  PSECURITY_DESCRIPTOR descriptor;
  wchar_t *text;
  luax_arguments(L, 1, 1);
  winapi_load(L, "advapi32");
  const wchar_t *sddl = luax_checkwide(L, 1, "sddl", NULL);
  luax_handle *slot = luax_newhandle(L, free_local), *written = luax_newhandle(L, free_local);
  if (!win32.ConvertStringSecurityDescriptorToSecurityDescriptorW(sddl, SDDL_REVISION_1, &descriptor, NULL)) return 0;
  slot->value = (UINT_PTR)descriptor;
  if (!win32.ConvertSecurityDescriptorToStringSecurityDescriptorW(descriptor, SDDL_REVISION_1, PARTS, &text, NULL))
    luax_fail(L, "sddl", GetLastError());
  written->value = (UINT_PTR)text;
  luax_pushwidez(L, text);
  return 1;
}

static const luaL_Reg reads[] = {{"by_sid", account_by_sid},
                                 {"by_name", account_by_name},
                                 {"current", account_current},
                                 {"canonical", account_canonical},
                                 {NULL, NULL}};

const luax_subject account_subject = {"account", reads, NULL, "account"};

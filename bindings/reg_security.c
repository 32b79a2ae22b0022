#include "privilege.h"
#include "reg_parts.h"

/* ---- Reading ---- */

/* Fills r->data with the parts of the security of `key` that `parts` names. */
static void fetch_security(reg_reader *r, HKEY key, SECURITY_INFORMATION parts, const char *target) {
  for (;;) {
    DWORD size = r->room;
    LSTATUS status = win32.RegGetKeySecurity(key, parts, r->data, &size);
    if (status == ERROR_SUCCESS) return;
    if (status != ERROR_INSUFFICIENT_BUFFER) reg_check_status(r->L, target, status);
    reg_make_room(r, size, target);
  }
}

/* Pushes the descriptor in r->data as SDDL, on top of a slot (+2). */
static void push_sddl(reg_reader *r, SECURITY_INFORMATION parts, const char *target) {
  lua_State *L = r->L;
  luax_handle *slot = luax_newhandle(L, reg_close_local);
  LPWSTR text = NULL;
  if (!win32.ConvertSecurityDescriptorToStringSecurityDescriptorW(r->data, SDDL_REVISION_1, parts, &text, NULL))
    luax_fail(L, target, GetLastError());
  slot->value = (UINT_PTR)text;
  luax_pushwidez(L, text);
}

/* Whether a list of access rights says more than what the parent hands down. */
static int is_explicit(lua_State *L, PSECURITY_DESCRIPTOR descriptor, const char *target) {
  SECURITY_DESCRIPTOR_CONTROL control;
  DWORD revision;
  BOOL present = FALSE, defaulted;
  PACL list = NULL;
  if (!win32.GetSecurityDescriptorControl(descriptor, &control, &revision) ||
      !win32.GetSecurityDescriptorDacl(descriptor, &present, &list, &defaulted))
    luax_fail(L, target, GetLastError());
  if (!present) return 0;
  if (list == NULL || (control & SE_DACL_PROTECTED) != 0) return 1;
  for (DWORD i = 0; i < list->AceCount; i++) {
    void *entry;
    if (win32.GetAce(list, i, &entry) && (((ACE_HEADER *)entry)->AceFlags & INHERITED_ACE) == 0) return 1;
  }
  return 0;
}

void reg_add_security(reg_reader *r, HKEY key, const char *target) {
  if (reg_is_performance(key)) return;
  fetch_security(r, key, DACL_SECURITY_INFORMATION, target);
  if (!is_explicit(r->L, r->data, target)) return;
  push_sddl(r, DACL_SECURITY_INFORMATION, target);
  lua_setfield(r->L, -3, "security");
  lua_pop(r->L, 1);
}

int reg_security(lua_State *L) {
  static const SECURITY_INFORMATION parts =
      OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
  reg_key name;
  HKEY key = reg_open_argument(L, &name, 0, READ_CONTROL);
  if (key == NULL) return reg_push_nil(L);
  reg_reader r = reg_new_reader(L, name.view);
  fetch_security(&r, key, parts, name.text);
  push_sddl(&r, parts, name.text);
  return 1;
}

/* ---- Writing ---- */

/* The descriptor for the SDDL at `index`, in slots (+2). */
static PSECURITY_DESCRIPTOR check_descriptor(lua_State *L, int index, const char *target) {
  const wchar_t *text = luax_checkwide(L, index, "security", NULL);
  luax_handle *slot = luax_newhandle(L, reg_close_local);
  PSECURITY_DESCRIPTOR descriptor = NULL;
  if (!win32.ConvertStringSecurityDescriptorToSecurityDescriptorW(text, SDDL_REVISION_1, &descriptor, NULL))
    luax_fail(L, target, GetLastError());
  slot->value = (UINT_PTR)descriptor;
  return descriptor;
}

/* Which parts a descriptor has. */
static SECURITY_INFORMATION parts_of(lua_State *L, PSECURITY_DESCRIPTOR descriptor, const char *target) {
  SECURITY_INFORMATION parts = 0;
  BOOL present = FALSE, defaulted;
  PSID owner = NULL, group = NULL;
  PACL list;
  if (!win32.GetSecurityDescriptorOwner(descriptor, &owner, &defaulted) ||
      !win32.GetSecurityDescriptorGroup(descriptor, &group, &defaulted) ||
      !win32.GetSecurityDescriptorDacl(descriptor, &present, &list, &defaulted))
    luax_fail(L, target, GetLastError());
  if (owner) parts |= OWNER_SECURITY_INFORMATION;
  if (group) parts |= GROUP_SECURITY_INFORMATION;
  if (present) parts |= DACL_SECURITY_INFORMATION;
  return parts;
}

/* That a list was inherited in part ("AI") is kept only when it is asked for.
 * https://learn.microsoft.com/windows/win32/secauthz/automatic-propagation-of-inheritable-aces */
static void keep_inherited(PSECURITY_DESCRIPTOR descriptor) {
  SECURITY_DESCRIPTOR_CONTROL control;
  DWORD revision;
  if (win32.GetSecurityDescriptorControl(descriptor, &control, &revision) && control & SE_DACL_AUTO_INHERITED)
    win32.SetSecurityDescriptorControl(descriptor, SE_DACL_AUTO_INHERIT_REQ, SE_DACL_AUTO_INHERIT_REQ);
}

void reg_restore_security(lua_State *L, HKEY key, int index, const char *target) {
  PSECURITY_DESCRIPTOR descriptor = check_descriptor(L, index, target);
  keep_inherited(descriptor);
  reg_check_status(L, target, win32.RegSetKeySecurity(key, parts_of(L, descriptor, target), descriptor));
}

/* win.reg.set_security(key, sddl [, {view=}])
 *   Sets the parts that the SDDL has. Raises ERROR_FILE_NOT_FOUND when the key is absent.
 * https://learn.microsoft.com/windows/win32/api/winreg/nf-winreg-regsetkeysecurity */
int reg_set_security(lua_State *L) {
  static const char *const options[] = {"view", NULL};
  luax_arguments(L, 2, 3);
  luax_options(L, 3, options);
  reg_key name = reg_check_key(L, 1, 3);
  PSECURITY_DESCRIPTOR descriptor = check_descriptor(L, 2, name.text);
  SECURITY_INFORMATION parts = parts_of(L, descriptor, name.text);
  REGSAM access = parts & DACL_SECURITY_INFORMATION ? WRITE_DAC : 0;
  if (parts & (OWNER_SECURITY_INFORMATION | GROUP_SECURITY_INFORMATION)) access |= WRITE_OWNER;
  privilege_enable(L, L"SeTakeOwnershipPrivilege");
  privilege_enable(L, L"SeRestorePrivilege"); /* any account may become the owner */
  HKEY key = reg_open_key(L, &name, 0, access);
  if (key == NULL) luax_fail(L, name.text, ERROR_FILE_NOT_FOUND);
  keep_inherited(descriptor);
  reg_check_status(L, name.text, win32.RegSetKeySecurity(key, parts, descriptor));
  return 0;
}

#include "protect.h"

#include <stdlib.h>
#include <string.h>

#include "luax.h"
#include "sid.h"
#include "token.h"
#include "winapi.h"

/* What nobody else may do. Who may only add files or folders above the last folder cannot change what is there.
 * https://learn.microsoft.com/windows/win32/fileio/file-security-and-access-rights */
enum {
  TAKE_OVER = WRITE_DAC | WRITE_OWNER | GENERIC_ALL,
  OF_FILE = TAKE_OVER | GENERIC_WRITE | FILE_WRITE_DATA | FILE_APPEND_DATA,
  OF_ROOT = TAKE_OVER | FILE_DELETE_CHILD,
  OF_FOLDER_ABOVE = OF_ROOT | DELETE,
  OF_FOLDER = OF_FOLDER_ABOVE | GENERIC_WRITE | FILE_ADD_FILE
};

/* ---- Accounts ---- */

/* Accounts that are administrators by what they are: SYSTEM, Administrators, TrustedInstaller; the administrator,
 * Domain Admins and Enterprise Admins of any domain.
 * https://learn.microsoft.com/windows-server/identity/ad-ds/manage/understand-security-identifiers */
static int is_administrative(PSID sid) {
  static const DWORD installer[] = {80, 956008885, 3418522649, 1831038044, 1853292631, 2271478464};
  const SID_IDENTIFIER_AUTHORITY nt = SECURITY_NT_AUTHORITY;
  const SID *s = sid;
  const DWORD *parts = s->SubAuthority;
  if (memcmp(&s->IdentifierAuthority, &nt, sizeof nt) != 0) return 0;
  if (s->SubAuthorityCount == 1) return parts[0] == SECURITY_LOCAL_SYSTEM_RID;
  if (s->SubAuthorityCount == 2)
    return parts[0] == SECURITY_BUILTIN_DOMAIN_RID && parts[1] == DOMAIN_ALIAS_RID_ADMINS;
  if (s->SubAuthorityCount == 6) return memcmp(parts, installer, sizeof installer) == 0;
  return s->SubAuthorityCount == 5 && parts[0] == SECURITY_NT_NON_UNIQUE &&
         (parts[4] == DOMAIN_USER_RID_ADMIN || parts[4] == DOMAIN_GROUP_RID_ADMINS ||
          parts[4] == 519 /* Enterprise Admins */);
}

/* Creator Owner, Creator Group, Owner Rights: what they are given, they give to others or to the owner. */
static int is_placeholder(PSID sid) {
  const SID_IDENTIFIER_AUTHORITY creator = SECURITY_CREATOR_SID_AUTHORITY;
  return memcmp(&((const SID *)sid)->IdentifierAuthority, &creator, sizeof creator) == 0;
}

static int is_trusted(lua_State *L, PSID sid) {
  token_room own;
  return is_administrative(sid) || win32.EqualSid(token_user(L, &own), sid);
}

/* Pushes the name of an account, or its SID. */
static const char *push_account(lua_State *L, PSID sid) {
  wchar_t name[256], domain[256];
  DWORD name_units = 256, domain_units = 256;
  SID_NAME_USE use;
  if (sid == NULL) return lua_pushliteral(L, "nobody");
  if (!win32.LookupAccountSidW(NULL, sid, name, &name_units, domain, &domain_units, &use)) {
    sid_push(L, sid);
    return lua_isnil(L, -1) ? "somebody" : lua_tostring(L, -1);
  }
  luax_pushwidez(L, domain);
  luax_pushwidez(L, name);
  return lua_pushfstring(L, "%s%s%s", lua_tostring(L, -2), *domain && *name ? "\\" : "", lua_tostring(L, -1));
}

/* ---- Complaints ---- */

/* Raises P80_UNPROTECTED about a path. The running function's name is not what people asked for. */
P80_NORETURN static void refuse(lua_State *L, const wchar_t *path, const char *message, const char *hint) {
  luax_pushwidez(L, path);
  luax_pusherror(L, NULL, lua_tostring(L, -1), P80_UNPROTECTED, message, hint);
  lua_error(L);
  abort();
}

/* The command that leaves a file or folder to the administrators, which everybody may read. */
static const char *push_remedy(lua_State *L, const wchar_t *path, int is_folder, int of_owner) {
  const char *inherit = is_folder ? "(OI)(CI)" : "";
  luax_pushwidez(L, path);
  if (of_owner) return lua_pushfstring(L, "icacls \"%s\" /setowner *S-1-5-32-544", lua_tostring(L, -1));
  return lua_pushfstring(L,
                         "icacls \"%s\" /inheritance:r /grant:r *S-1-5-18:%sF *S-1-5-32-544:%sF *S-1-5-32-545:%sRX",
                         lua_tostring(L, -1), inherit, inherit, inherit);
}

P80_NORETURN static void refuse_account(lua_State *L, const wchar_t *path, PSID sid, int is_folder, int is_owner) {
  const char *account = push_account(L, sid);
  const char *message =
      lua_pushfstring(L,
                      is_owner ? "It belongs to %s, who is no administrator, so an elevated p80 does not trust it."
                               : "%s may change it, so an elevated p80 does not trust it.",
                      account);
  const char *hint = lua_pushfstring(L, "keep it where administrators alone may write (`p80 install`), or: %s",
                                     push_remedy(L, path, is_folder, is_owner));
  refuse(L, path, message, hint);
}

/* ---- Descriptors ---- */

typedef struct allow_entry { /* every kind of entry that allows something to one account begins so */
  ACE_HEADER header;
  ACCESS_MASK mask;
  union {
    DWORD sid;
    struct {
      DWORD flags;
      BYTE rest[1];
    } object;
  } of;
} allow_entry;

/* The account that an entry allows something to; NULL for entries that allow nothing. An entry of a kind that is not
 * known counts for everybody. https://learn.microsoft.com/windows/win32/api/winnt/ns-winnt-ace_header */
static PSID allowed_account(const allow_entry *entry, PSID everyone) {
  switch (entry->header.AceType) {
    case ACCESS_ALLOWED_ACE_TYPE:
    case ACCESS_ALLOWED_CALLBACK_ACE_TYPE:
      return (PSID)&entry->of.sid;
    case ACCESS_DENIED_ACE_TYPE:
    case ACCESS_DENIED_OBJECT_ACE_TYPE:
    case ACCESS_DENIED_CALLBACK_ACE_TYPE:
    case ACCESS_DENIED_CALLBACK_OBJECT_ACE_TYPE:
      return NULL;
    default:
      return everyone;
  }
}

/* Raises when the list gives anybody else one of the rights. Denials are not weighed against it. */
static void check_list(lua_State *L, const wchar_t *path, PACL list, DWORD rights, int is_folder) {
  SID everyone = {SID_REVISION, 1, {SECURITY_WORLD_SID_AUTHORITY}, {SECURITY_WORLD_RID}};
  if (list == NULL) refuse_account(L, path, &everyone, is_folder, 0);
  for (DWORD i = 0; i < list->AceCount; i++) {
    void *found;
    if (!win32.GetAce(list, i, &found)) luax_failwide(L, path, GetLastError());
    const allow_entry *entry = found;
    if (entry->header.AceFlags & INHERIT_ONLY_ACE || !(entry->mask & rights)) continue;
    PSID sid = allowed_account(entry, &everyone);
    if (sid && !is_placeholder(sid) && !is_trusted(L, sid)) refuse_account(L, path, sid, is_folder, 0);
  }
}

/* Raises when the open file or folder belongs to somebody else, or gives anybody else one of the rights. */
static void check_handle(lua_State *L, const wchar_t *path, HANDLE handle, DWORD rights, int is_folder) {
  int top = lua_gettop(L);
  luax_handle *memory = luax_newhandle(L, luax_freelocal);
  PSECURITY_DESCRIPTOR descriptor = NULL;
  PSID owner = NULL;
  PACL list = NULL;
  DWORD code = win32.GetSecurityInfo(handle, SE_FILE_OBJECT, OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION,
                                     &owner, NULL, &list, NULL, &descriptor);
  if (code != ERROR_SUCCESS) luax_failwide(L, path, code);
  memory->value = (UINT_PTR)descriptor;
  if (owner == NULL || !is_trusted(L, owner)) refuse_account(L, path, owner, is_folder, 1);
  check_list(L, path, list, rights, is_folder);
  lua_settop(L, top);
}

/* ---- Paths ---- */

enum { ROOT = 3 }; /* units of "C:\\" */

static int is_slash(wchar_t c) { return c == L'\\' || c == L'/'; }

/* Raises unless the drive stands for a device: subst gives one to a folder. What cannot be found out is refused.
 * https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-querydosdevicew */
static void check_drive(lua_State *L, const wchar_t *path) {
  enum { LONGEST = 0x8000 };
  static const wchar_t device[] = L"\\Device\\";
  const wchar_t drive[] = {path[0], L':', 0};
  wchar_t *target = luax_buffer(L, LONGEST * sizeof *target);
  DWORD n = QueryDosDeviceW(drive, target, LONGEST);
  if (n == 0) {
    const char *message =
        lua_pushfstring(L, "Windows does not tell what its drive is (error %d).", (int)GetLastError());
    refuse(L, path, message, "keep it on a drive of this machine");
  }
  if (wcsncmp(target, device, wcslen(device)) != 0)
    refuse(L, path, "Its drive is another name of a folder (subst).", "write the path of that folder");
  lua_pop(L, 1);
}

/* https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-getdrivetypew */
const char *protect_place(lua_State *L, const wchar_t *path) {
  const wchar_t root[] = {path[0], L':', L'\\', 0};
  if (is_slash(path[0]) && is_slash(path[1]) && path[2] != L'?' && path[2] != L'.') return "network";
  if (path[0] == 0 || path[1] != L':' || !is_slash(path[2]))
    refuse(L, path, "An elevated p80 takes no such path.", "write it with the letter of its drive: C:\\...");
  UINT type = GetDriveTypeW(root);
  if (type == DRIVE_REMOTE) return "network";
  check_drive(L, path);
  if (type == DRIVE_REMOVABLE || type == DRIVE_CDROM) return "removable";
  if (type != DRIVE_FIXED && type != DRIVE_RAMDISK)
    refuse(L, path, "Windows does not tell what kind of drive it lies on.", "keep it on a drive of this machine");
  return "";
}

/* Raises when the last name of a path stands for another place: a junction, a mounted volume, a symbolic link. What
 * is compressed or kept elsewhere is marked, too, but is no other place.
 * https://learn.microsoft.com/windows/win32/fileio/reparse-point-tags */
static void check_link(lua_State *L, const wchar_t *path) {
  enum { OTHER_NAME = 0x20000000 };
  WIN32_FIND_DATAW found;
  HANDLE search = FindFirstFileW(path, &found);
  if (search == INVALID_HANDLE_VALUE) luax_failwide(L, path, GetLastError());
  FindClose(search);
  if (!(found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)) return;
  if (found.dwReserved0 && !(found.dwReserved0 & OTHER_NAME)) return;
  refuse(L, path, "This is a junction or a link, and an elevated p80 does not follow those.",
         "write the path behind it");
}

/* Checks the folder that the first `length` units of `path` name. */
static void check_one_folder(lua_State *L, const wchar_t *path, size_t length, DWORD rights) {
  int top = lua_gettop(L);
  wchar_t *folder = luax_buffer(L, (length + 1) * sizeof *folder);
  memcpy(folder, path, length * sizeof *folder);
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE handle =
      CreateFileW(folder, READ_CONTROL | FILE_READ_ATTRIBUTES, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                  NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
  if (handle == INVALID_HANDLE_VALUE) luax_failwide(L, folder, GetLastError());
  slot->value = (UINT_PTR)handle;
  if (length > ROOT) check_link(L, folder);
  check_handle(L, folder, handle, rights, 1);
  lua_settop(L, top);
}

/* Checks every folder of a path from the root on; the last one is the first `length` units. */
static void check_folders(lua_State *L, const wchar_t *path, size_t length) {
  winapi_load(L, "advapi32");
  if (*protect_place(L, path))
    refuse(L, path, "It lies on another machine or a removable drive, so an elevated p80 does not trust it.",
           "keep it on a fixed drive of this machine");
  check_one_folder(L, path, ROOT, length <= ROOT ? OF_ROOT | FILE_ADD_FILE : OF_ROOT);
  for (size_t i = ROOT + 1; i <= length; i++)
    if (i == length || is_slash(path[i])) check_one_folder(L, path, i, i == length ? OF_FOLDER : OF_FOLDER_ABOVE);
}

void protect_check_file(lua_State *L, const wchar_t *path, HANDLE file) {
  size_t length = wcslen(path);
  while (length > ROOT && !is_slash(path[length - 1])) length--;
  check_folders(L, path, length > ROOT ? length - 1 : ROOT);
  check_link(L, path);
  check_handle(L, path, file, OF_FILE, 0);
}

void protect_check_folder(lua_State *L, const wchar_t *path) { check_folders(L, path, wcslen(path)); }

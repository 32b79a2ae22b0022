/* win.driver, raw: what the kernel has loaded, the version resource of a file, and who signed it. The rest is
 * driver.lua. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "codepage.h"
#include "luax.h"
#include "subjects.h"
#include "winapi.h"

/* ---- Loaded ---- */

/* RTL_PROCESS_MODULES in System Informer's phnt/include/ntldr.h. */
typedef struct loaded_module {
  PVOID reserved[2];
  PVOID base;
  ULONG size;
  ULONG flags;
  USHORT order, init_order, load_count, name;
  char path[256];
} loaded_module;

typedef struct loaded_modules {
  ULONG count;
  loaded_module modules[1];
} loaded_modules;

_Static_assert(sizeof(loaded_module) == (sizeof(void *) == 8 ? 296 : 284), "RTL_PROCESS_MODULE_INFORMATION");

static void push_loaded(lua_State *L, const loaded_modules *list, ULONG size) {
  UINT page = codepage_find(L, L"ACP");
  ULONG most = (size - (ULONG)offsetof(loaded_modules, modules)) / (ULONG)sizeof(loaded_module);
  if (list->count > most) luax_fail(L, "modules of the kernel", ERROR_INVALID_DATA);
  lua_createtable(L, (int)list->count, 0);
  for (ULONG i = 0; i < list->count; i++) {
    const loaded_module *m = &list->modules[i];
    lua_createtable(L, 0, 3);
    codepage_decode(L, page, m->path, strnlen(m->path, sizeof m->path));
    lua_setfield(L, -2, "path");
    luax_setinteger(L, "base", (lua_Integer)(UINT_PTR)m->base);
    luax_setinteger(L, "size", m->size);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

/* Raw win.driver.loaded() -> rows {path=, base=, size=}, the kernel first. Addresses are 0 where p80 may not see
 * them. */
static int driver_loaded(lua_State *L) {
  enum { MODULES = 11 };
  ULONG size;
  luax_arguments(L, 0, 0);
  luax_handle *pages = luax_newpages(L);
  const loaded_modules *list = winapi_systeminformation(L, pages, MODULES, "modules of the kernel", &size);
  push_loaded(L, list, size);
  return 1;
}

/* ---- Version ---- */

typedef struct language {
  WORD id, codepage;
} language;

/* t[key] = the text `name` of the version resource, when it has one. */
static void set_text(lua_State *L, const void *resource, language l, const char *key, const wchar_t *name) {
  wchar_t path[64];
  wchar_t *text;
  UINT units;
  _snwprintf(path, 64, L"\\StringFileInfo\\%04x%04x\\%ls", l.id, l.codepage, name);
  if (!win32.VerQueryValueW(resource, path, (void **)&text, &units) || units == 0) return;
  size_t n = wcsnlen(text, units);
  if (n == 0) return;
  luax_pushwide(L, text, n);
  lua_setfield(L, -2, key);
}

/* t.version = "10.0.1.2": the numbers, which no translation changes. */
static void set_version(lua_State *L, const void *resource) {
  VS_FIXEDFILEINFO *fixed;
  UINT size;
  if (!win32.VerQueryValueW(resource, L"\\", (void **)&fixed, &size) || size < sizeof *fixed) return;
  lua_pushfstring(L, "%d.%d.%d.%d", (int)HIWORD(fixed->dwFileVersionMS), (int)LOWORD(fixed->dwFileVersionMS),
                  (int)HIWORD(fixed->dwFileVersionLS), (int)LOWORD(fixed->dwFileVersionLS));
  lua_setfield(L, -2, "version");
}

/* Raw win.driver.version(path) -> {version=, company=, product=, description=}, nil without a version resource.
 * https://learn.microsoft.com/windows/win32/api/winver/nf-winver-verqueryvaluew */
static int driver_version(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  winapi_load(L, "version");
  DWORD ignored, size = win32.GetFileVersionInfoSizeW(path, &ignored);
  if (size == 0) return 0;
  void *resource = luax_buffer(L, size);
  if (!win32.GetFileVersionInfoW(path, 0, size, resource)) return 0;
  language first = {0x0409, 1200}, *found;
  UINT bytes;
  if (win32.VerQueryValueW(resource, L"\\VarFileInfo\\Translation", (void **)&found, &bytes) && bytes >= sizeof first)
    first = *found;
  lua_createtable(L, 0, 4);
  set_version(L, resource);
  set_text(L, resource, first, "company", L"CompanyName");
  set_text(L, resource, first, "product", L"ProductName");
  set_text(L, resource, first, "description", L"FileDescription");
  return 1;
}

/* ---- Signature ----
 * https://learn.microsoft.com/windows/win32/api/wintrust/nf-wintrust-winverifytrust: in the file itself, or in a
 * catalog that Windows has of its hash. Nothing is fetched from the network, so that revocation is not looked at. */

static const GUID verify_generic = {0xaac56b, 0xcd44, 0x11d0, {0x8c, 0xc2, 0x0, 0xc0, 0x4f, 0xc2, 0x95, 0xee}};

/* The end of WINTRUST_CATALOG_INFO came with Windows 8, and is needed for hashes other than SHA1. */
typedef struct catalog_info {
  WINTRUST_CATALOG_INFO known;
#if NTDDI_VERSION < NTDDI_WIN8
  HCATADMIN admin;
#endif
} catalog_info;

static void close_verification(UINT_PTR value) {
  WINTRUST_DATA *data = (WINTRUST_DATA *)value;
  data->dwStateAction = WTD_STATEACTION_CLOSE;
  GUID action = verify_generic;
  win32.WinVerifyTrust(INVALID_HANDLE_VALUE, &action, data);
}

/* Sets `signer` in the table at `row` to the name in the certificate that signed. */
static void set_signer(lua_State *L, int row, HANDLE state) {
  wchar_t name[256];
  CRYPT_PROVIDER_DATA *provider = win32.WTHelperProvDataFromStateData(state);
  CRYPT_PROVIDER_SGNR *signer = provider ? win32.WTHelperGetProvSignerFromChain(provider, 0, FALSE, 0) : NULL;
  CRYPT_PROVIDER_CERT *certificate = signer ? win32.WTHelperGetProvCertFromChain(signer, 0) : NULL;
  if (certificate == NULL || certificate->pCert == NULL) return;
  if (win32.CertGetNameStringW(certificate->pCert, CERT_NAME_SIMPLE_DISPLAY_TYPE, 0, NULL, name, 256) <= 1) return;
  luax_pushwidez(L, name);
  lua_setfield(L, row, "signer");
}

/* Verifies what `choice` says; sets the signer in the table at `row`. */
static LONG verify(lua_State *L, int row, const WINTRUST_DATA *choice) {
  GUID action = verify_generic;
  WINTRUST_DATA *data = luax_buffer(L, sizeof *data);
  *data = *choice;
  data->cbStruct = sizeof *data;
  data->dwUIChoice = WTD_UI_NONE;
  data->fdwRevocationChecks = WTD_REVOKE_NONE;
  data->dwStateAction = WTD_STATEACTION_VERIFY;
  data->dwProvFlags = WTD_REVOCATION_CHECK_NONE | WTD_CACHE_ONLY_URL_RETRIEVAL;
  luax_handle *slot = luax_newhandle(L, close_verification);
  slot->value = (UINT_PTR)data;
  LONG status = win32.WinVerifyTrust(INVALID_HANDLE_VALUE, &action, data);
  if (data->hWVTStateData) set_signer(L, row, data->hWVTStateData);
  luax_closehandle(slot);
  lua_settop(L, row);
  return status;
}

static LONG verify_file(lua_State *L, int row, const wchar_t *path) {
  WINTRUST_FILE_INFO file = {.cbStruct = sizeof file, .pcwszFilePath = path};
  WINTRUST_DATA data = {.dwUnionChoice = WTD_CHOICE_FILE, .pFile = &file};
  return verify(L, row, &data);
}

static void close_admin(UINT_PTR admin) { win32.CryptCATAdminReleaseContext((HCATADMIN)admin, 0); }

typedef struct hash {
  BYTE bytes[64];
  DWORD size;
  wchar_t tag[129]; /* by which a catalog has it */
} hash;

/* Opens the catalogs for a kind of hash, NULL for SHA1, and hashes the file; returns 0 when it cannot. */
static int hash_file(luax_handle *slot, HANDLE file, const wchar_t *algorithm, hash *h) {
  HCATADMIN admin = NULL;
  h->size = sizeof h->bytes;
  if (algorithm ? !win32.CryptCATAdminAcquireContext2(&admin, NULL, algorithm, NULL, 0)
                : !win32.CryptCATAdminAcquireContext(&admin, NULL, 0))
    return 0;
  slot->value = (UINT_PTR)admin;
  if (algorithm ? !win32.CryptCATAdminCalcHashFromFileHandle2(admin, file, &h->size, h->bytes, 0)
                : !win32.CryptCATAdminCalcHashFromFileHandle(file, &h->size, h->bytes, 0))
    return 0;
  for (DWORD i = 0; i < h->size; i++) _snwprintf(h->tag + i * 2, 3, L"%02X", h->bytes[i]);
  return 1;
}

/* Verifies the file by the catalog that has its hash; TRUST_E_NOSIGNATURE without. */
static LONG verify_catalog(lua_State *L, int row, const wchar_t *path, HANDLE file, const wchar_t *algorithm) {
  hash h = {0};
  CATALOG_INFO found = {.cbStruct = sizeof found};
  luax_handle *slot = luax_newhandle(L, close_admin);
  if (!hash_file(slot, file, algorithm, &h)) return TRUST_E_NOSIGNATURE;
  HCATADMIN admin = (HCATADMIN)slot->value;
  HCATINFO catalog = win32.CryptCATAdminEnumCatalogFromHash(admin, h.bytes, h.size, 0, NULL);
  if (catalog == NULL) return TRUST_E_NOSIGNATURE;
  BOOL is_found = win32.CryptCATCatalogInfoFromContext(catalog, &found, 0);
  win32.CryptCATAdminReleaseCatalogContext(admin, catalog, 0);
  if (!is_found) return TRUST_E_NOSIGNATURE;
  catalog_info info = {.known = {.pcwszCatalogFilePath = found.wszCatalogFile,
                                 .pcwszMemberTag = h.tag,
                                 .pcwszMemberFilePath = path,
                                 .hMemberFile = file,
                                 .pbCalculatedFileHash = h.bytes,
                                 .cbCalculatedFileHash = h.size},
                       .admin = admin};
  info.known.cbStruct = algorithm ? sizeof info : sizeof info.known;
  WINTRUST_DATA data = {.dwUnionChoice = WTD_CHOICE_CATALOG, .pCatalog = &info.known};
  lua_newtable(L); /* the signer's name, while the slot stays below it */
  LONG status = verify(L, lua_gettop(L), &data);
  lua_getfield(L, -1, "signer");
  lua_setfield(L, row, "signer");
  return status;
}

/* By the catalogs with the hashes that this Windows uses, the newer first. */
static LONG verify_catalogs(lua_State *L, int row, const wchar_t *path) {
  LONG status = TRUST_E_NOSIGNATURE;
  luax_handle *slot = luax_newhandle(L, luax_closekernel);
  HANDLE file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return CRYPT_E_FILE_ERROR;
  slot->value = (UINT_PTR)file;
  if (win32.CryptCATAdminAcquireContext2 && win32.CryptCATAdminCalcHashFromFileHandle2)
    status = verify_catalog(L, row, path, file, L"SHA256");
  if (status == TRUST_E_NOSIGNATURE) status = verify_catalog(L, row, path, file, NULL);
  return status;
}

static int is_without_signature(LONG status) {
  return status == TRUST_E_NOSIGNATURE || status == TRUST_E_SUBJECT_FORM_UNKNOWN ||
         status == TRUST_E_PROVIDER_UNKNOWN;
}

/* The word for what verification said. */
static const char *word_for(LONG status) {
  if (status == ERROR_SUCCESS) return "signed";
  if (is_without_signature(status)) return "unsigned";
  int facility = (int)((ULONG)status >> 16 & 0x1FFF);
  return facility == FACILITY_CERT || facility == FACILITY_SECURITY ? "untrusted"
                                                                    : "unknown"; /* it could not be read */
}

/* Raw win.driver.signature(path) -> {signature="signed"|"unsigned"|"untrusted"|"unknown", signer=, trust_code=} */
static int driver_signature(lua_State *L) {
  luax_arguments(L, 1, 1);
  const wchar_t *path = luax_checkwide(L, 1, "path", NULL);
  winapi_load(L, "wintrust");
  winapi_load(L, "crypt32");
  lua_createtable(L, 0, 3);
  int row = lua_gettop(L);
  LONG status = verify_file(L, row, path);
  if (is_without_signature(status)) status = verify_catalogs(L, row, path);
  lua_pushvalue(L, row);
  luax_settext(L, "signature", word_for(status));
  if (status) luax_setinteger(L, "trust_code", (lua_Integer)(ULONG)status);
  return 1;
}

static const luaL_Reg reads[] = {
    {"loaded", driver_loaded}, {"version", driver_version}, {"signature", driver_signature}, {NULL, NULL}};

const luax_subject driver_subject = {"driver", reads, NULL, "driver"};

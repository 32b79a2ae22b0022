/* P80_SHIM_TRUST=1: signatures. What is said of a file X stands in X.trust, of its catalog in X.cat.trust: the result
 * of WinVerifyTrust in hexadecimal digits, a blank and the signer's name. Without that file it has no signature
 * (TRUST_E_NOSIGNATURE).
 * https://learn.microsoft.com/windows/win32/api/wintrust/nf-wintrust-winverifytrust
 * https://learn.microsoft.com/windows/win32/api/mscat/nf-mscat-cryptcatadminenumcatalogfromhash */
#include <winsock2.h>
#include <windows.h>
#include <wincrypt.h>
#include <wintrust.h>
#include <mscat.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim.h"

typedef struct verdict {
  CRYPT_PROVIDER_DATA data;
  CRYPT_PROVIDER_SGNR signer;
  CRYPT_PROVIDER_CERT certificate;
  CERT_CONTEXT context;
  wchar_t name[128];
} verdict;

static int is_on(void) { return shim_is_set("P80_SHIM_TRUST", "1"); }

static LONG read_verdict(const wchar_t *path, const wchar_t *extension, verdict *v) {
  wchar_t name[MAX_PATH];
  char text[128] = {0};
  unsigned status = (unsigned)TRUST_E_NOSIGNATURE;
  _snwprintf(name, MAX_PATH, L"%ls%ls", path, extension);
  FILE *file = _wfopen(name, L"rb");
  if (file == NULL) return TRUST_E_NOSIGNATURE;
  if (fscanf(file, "%x %127[^\n]", &status, text) < 1) status = (unsigned)TRUST_E_NOSIGNATURE;
  fclose(file);
  MultiByteToWideChar(CP_UTF8, 0, text, -1, v->name, 128);
  return (LONG)status;
}

static LONG WINAPI verify(HWND window, GUID *action, LPVOID choice) {
  WINTRUST_DATA *data = choice;
  if (!is_on()) return WinVerifyTrust(window, action, choice);
  if (data->dwStateAction == WTD_STATEACTION_CLOSE) {
    free(data->hWVTStateData);
    data->hWVTStateData = NULL;
    return 0;
  }
  verdict *v = calloc(1, sizeof *v);
  v->certificate.pCert = &v->context;
  v->context.pbCertEncoded = (BYTE *)v->name;
  data->hWVTStateData = v;
  if (data->dwUnionChoice == WTD_CHOICE_FILE) return read_verdict(data->pFile->pcwszFilePath, L".trust", v);
  return read_verdict(data->pCatalog->pcwszMemberFilePath, L".cat.trust", v);
}

static CRYPT_PROVIDER_DATA *WINAPI provider(HANDLE state) {
  return is_on() ? &((verdict *)state)->data : WTHelperProvDataFromStateData(state);
}

static CRYPT_PROVIDER_SGNR *WINAPI signer(CRYPT_PROVIDER_DATA *data, DWORD index, BOOL counter, DWORD of) {
  return is_on() ? &((verdict *)data)->signer : WTHelperGetProvSignerFromChain(data, index, counter, of);
}

static CRYPT_PROVIDER_CERT *WINAPI certificate(CRYPT_PROVIDER_SGNR *of, DWORD index) {
  if (!is_on()) return WTHelperGetProvCertFromChain(of, index);
  return &((verdict *)((char *)of - offsetof(verdict, signer)))->certificate;
}

static DWORD WINAPI name_of(PCCERT_CONTEXT context, DWORD type, DWORD flags, void *more, LPWSTR out, DWORD size) {
  if (!is_on()) return CertGetNameStringW(context, type, flags, more, out, size);
  wcsncpy(out, (const wchar_t *)context->pbCertEncoded, size);
  return (DWORD)wcslen(out) + 1;
}

static BOOL WINAPI acquire(HCATADMIN *admin, const GUID *subsystem, DWORD flags) {
  if (!is_on()) return CryptCATAdminAcquireContext(admin, subsystem, flags);
  *admin = (HCATADMIN)1;
  return TRUE;
}

static BOOL WINAPI acquire2(HCATADMIN *admin, const GUID *subsystem, PCWSTR algorithm, const void *policy,
                            DWORD flags) {
  if (!is_on()) return FALSE; /* and p80 takes the older one, as before Windows 8 */
  (void)algorithm;
  (void)policy;
  return acquire(admin, subsystem, flags);
}

static BOOL WINAPI calculate(HANDLE file, DWORD *size, BYTE *bytes, DWORD flags) {
  if (!is_on()) return CryptCATAdminCalcHashFromFileHandle(file, size, bytes, flags);
  *size = 20;
  memset(bytes, 0xAB, 20);
  return TRUE;
}

static BOOL WINAPI calculate2(HCATADMIN admin, HANDLE file, DWORD *size, BYTE *bytes, DWORD flags) {
  if (!is_on() || admin == NULL || !calculate(file, size, bytes, flags)) return FALSE;
  *size = 32;
  memset(bytes, 0xAB, 32);
  return TRUE;
}

static HCATINFO WINAPI enumerate(HCATADMIN admin, BYTE *bytes, DWORD size, DWORD flags, HCATINFO *before) {
  return is_on() ? (HCATINFO)1 : CryptCATAdminEnumCatalogFromHash(admin, bytes, size, flags, before);
}

static BOOL WINAPI information(HCATINFO catalog, CATALOG_INFO *out, DWORD flags) {
  if (!is_on()) return CryptCATCatalogInfoFromContext(catalog, out, flags);
  wcscpy(out->wszCatalogFile, L"C:\\shim.cat");
  return TRUE;
}

static BOOL WINAPI release_catalog(HCATADMIN admin, HCATINFO catalog, DWORD flags) {
  return is_on() || CryptCATAdminReleaseCatalogContext(admin, catalog, flags);
}

static BOOL WINAPI release(HCATADMIN admin, DWORD flags) {
  return is_on() || CryptCATAdminReleaseContext(admin, flags);
}

const shim_replacement shim_trust[] = {SHIM_REPLACE(WinVerifyTrust, verify),
                                       SHIM_REPLACE(WTHelperProvDataFromStateData, provider),
                                       SHIM_REPLACE(WTHelperGetProvSignerFromChain, signer),
                                       SHIM_REPLACE(WTHelperGetProvCertFromChain, certificate),
                                       SHIM_REPLACE(CertGetNameStringW, name_of),
                                       SHIM_REPLACE(CryptCATAdminAcquireContext, acquire),
                                       SHIM_REPLACE(CryptCATAdminAcquireContext2, acquire2),
                                       SHIM_REPLACE(CryptCATAdminCalcHashFromFileHandle, calculate),
                                       SHIM_REPLACE(CryptCATAdminCalcHashFromFileHandle2, calculate2),
                                       SHIM_REPLACE(CryptCATAdminEnumCatalogFromHash, enumerate),
                                       SHIM_REPLACE(CryptCATCatalogInfoFromContext, information),
                                       SHIM_REPLACE(CryptCATAdminReleaseCatalogContext, release_catalog),
                                       SHIM_REPLACE(CryptCATAdminReleaseContext, release),
                                       {NULL, NULL}};

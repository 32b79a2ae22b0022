/* P80_SHIM_UNELEVATED=1: p80's user is no administrator, as under User Account Control without elevation.
 * https://learn.microsoft.com/windows/win32/api/securitybaseapi/nf-securitybaseapi-checktokenmembership */
#include "shim.h"

static BOOL WINAPI check_membership(HANDLE token, PSID sid, PBOOL member) {
  BOOL ok = CheckTokenMembership(token, sid, member);
  if (ok && shim_is_set("P80_SHIM_UNELEVATED", "1")) *member = FALSE;
  return ok;
}

const shim_replacement shim_token[] = {SHIM_REPLACE(CheckTokenMembership, check_membership), {NULL, NULL}};

/* The HTTP Server API's configuration calls, for one kind of record a file.
 *
 * The structures are p80's own: those of the SDKs differ in what they have. Sizes as documented in http.h.
 * https://learn.microsoft.com/windows/win32/http/http-server-api-version-1-0-structures */
#ifndef P80_HTTP_CONFIG_H
#define P80_HTTP_CONFIG_H

#include <lua.h>
#include <windows.h>

/* HTTP_SERVICE_CONFIG_ID */
typedef enum http_record { HTTP_IPLISTEN = 0, HTTP_URLACL = 2 } http_record;

/* Opens the configuration until the running C function ends (+1). This starts the HTTP service when it does not run:
 * the Lua halves ask the SCM first.
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpinitialize */
void http_config_open(lua_State *L);

/* What Windows answers to a query (+1, a userdata that holds it), and the size of that; NULL (and nil) at the end of
 * an enumeration or when there is no such record.
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpqueryserviceconfiguration */
void *http_config_query(lua_State *L, http_record kind, void *query, ULONG query_size, ULONG *size);

/* Stores and deletes a record; return Windows' code.
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpsetserviceconfiguration
 * https://learn.microsoft.com/windows/win32/api/http/nf-http-httpdeleteserviceconfiguration */
DWORD http_config_set(http_record kind, void *record, ULONG size);
DWORD http_config_delete(http_record kind, void *record, ULONG size);

#endif

/* win.udp: the UDP tables of both families. */
#include <assert.h>
#include <stddef.h>

#include "endpoints.h"
#include "luax.h"
#include "subjects.h"
#include "winapi.h"

#define UDP_COLUMNS(row_type, table_type, local_field)                                                            \
  .header = offsetof(table_type, table), .row = sizeof(row_type), .local = offsetof(row_type, local_field),       \
  .local_port = offsetof(row_type, dwLocalPort), .pid = offsetof(row_type, dwOwningPid), .remote = ENDPOINT_NONE, \
  .remote_port = ENDPOINT_NONE, .state = ENDPOINT_NONE

static DWORD read_udp(void *table, ULONG *size, ULONG family, const endpoint_filter *filter) {
  UDP_TABLE_CLASS class = filter->module ? UDP_TABLE_OWNER_MODULE : UDP_TABLE_OWNER_PID;
  return win32.GetExtendedUdpTable(table, size, FALSE, family, class, 0);
}

/* https://learn.microsoft.com/windows/win32/api/udpmib/ns-udpmib-mib_udprow_owner_module and its neighbours */
static const endpoint_kind udp_kind = {
    "UDP table",
    {{{UDP_COLUMNS(MIB_UDPROW_OWNER_PID, MIB_UDPTABLE_OWNER_PID, dwLocalAddr), .created = ENDPOINT_NONE},
      {UDP_COLUMNS(MIB_UDP6ROW_OWNER_PID, MIB_UDP6TABLE_OWNER_PID, ucLocalAddr), .created = ENDPOINT_NONE}},
     {{UDP_COLUMNS(MIB_UDPROW_OWNER_MODULE, MIB_UDPTABLE_OWNER_MODULE, dwLocalAddr),
       .created = offsetof(MIB_UDPROW_OWNER_MODULE, liCreateTimestamp)},
      {UDP_COLUMNS(MIB_UDP6ROW_OWNER_MODULE, MIB_UDP6TABLE_OWNER_MODULE, ucLocalAddr),
       .created = offsetof(MIB_UDP6ROW_OWNER_MODULE, liCreateTimestamp)}}},
    {"GetOwnerModuleFromUdpEntry", "GetOwnerModuleFromUdp6Entry"},
    read_udp};

static_assert(offsetof(MIB_UDP6ROW_OWNER_PID, dwLocalScopeId) == offsetof(MIB_UDP6ROW_OWNER_PID, ucLocalAddr) + 16,
              "a scope id follows its address");

/* udp.list([{family=4|6, port=, module=true}]) -> rows: one call of Windows for each family.
 * https://learn.microsoft.com/windows/win32/api/iphlpapi/nf-iphlpapi-getextendedudptable */
static int udp_list(lua_State *L) {
  static const char *const known[] = {"family", "port", "module", NULL};
  luax_arguments(L, 0, 1);
  endpoint_filter filter = endpoint_options(L, 1, known);
  endpoint_push(L, &udp_kind, &filter);
  return 1;
}

static int udp_listeners(lua_State *L) { return endpoint_listeners(L, &udp_kind, 0); }

static const luaL_Reg reads[] = {{"list", udp_list}, {"listeners", udp_listeners}, {NULL, NULL}};

const luax_subject udp_subject = {"udp", reads, NULL, "endpoints"};

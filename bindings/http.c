/* win.http: who uses HTTP.SYS. Its configuration is in the other files that begin with http_. */
#include "http_parts.h"
#include "luax.h"
#include "subjects.h"

static const luaL_Reg reads[] = {{"servicestate", http_servicestate}, {"server", http_server}, {NULL, NULL}};

const luax_subject http_subject = {"http", reads, NULL, "http_url http_netsh http_products http"};

/* All of it is registry and Lua. */
static const luaL_Reg parameter_writes[] = {{"set", NULL}, {"delete", NULL}, {NULL, NULL}};

const luax_subject http_parameters_subject = {"http.parameters", NULL, parameter_writes, "http_parameters"};

/* win.http: who uses HTTP.SYS. Its configuration is in http_config.c, http_iplisten.c and http_urlacl.c. */
#include "http_parts.h"
#include "luax.h"
#include "subjects.h"

static const luaL_Reg reads[] = {{"holders", http_holders}, {"servicestate", http_servicestate}, {"server", http_server}, {NULL, NULL}};

const luax_subject http_subject = {"http", reads, NULL, "http"};

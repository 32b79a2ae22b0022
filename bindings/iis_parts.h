/* The two configurations that an IIS may have. The functions are called between com_begin and the return to Lua;
 * those that push do so as com_begin's own slot allows. */
#ifndef P80_IIS_PARTS_H
#define P80_IIS_PARTS_H

#include "com.h"

extern const CLSID apphost_class, metabase_class;

/* Push the array of sites (see iis.c). */
void apphost_push_sites(lua_State *L);
void metabase_push_sites(lua_State *L);

/* Change the binding `from` of a site to `to`, both "address:port:host". */
typedef struct iis_move {
  DWORD site;
  const char *target; /* for errors */
  const wchar_t *protocol, *from, *to;
} iis_move;
void apphost_move(lua_State *L, const iis_move *move);
void metabase_move(lua_State *L, const iis_move *move);

/* Start or stop a site, without waiting. */
void apphost_control(lua_State *L, DWORD site, const char *target, int start);
void metabase_control(lua_State *L, DWORD site, const char *target, int start);

#endif

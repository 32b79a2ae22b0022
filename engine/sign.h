/* host.sign, of the core: what engine/core/sign.lua needs of cryptography, and secret keys, which never become values
 * of Lua. */
#ifndef P80_SIGN_H
#define P80_SIGN_H

#include <lua.h>

void sign_push(lua_State *L);

#endif

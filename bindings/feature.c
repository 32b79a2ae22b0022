/* win.feature is all Lua: feature.lua and engine/core/feature.lua. */
#include "luax.h"
#include "subjects.h"

static const luaL_Reg reads[] = {{NULL, NULL}};
static const luaL_Reg writes[] = {{"remove", NULL}, {NULL, NULL}};

const luax_subject feature_subject = {"feature", reads, writes, "feature"};

/* win.reg: the registry.
 *
 * A key is one string, "HKLM\SOFTWARE\Contoso": a hive (short or long name, any case) and names that a backslash
 * separates. On 64-bit Windows the 64-bit view is the default, for a 32-bit p80 too, and view=32 asks for the
 * other; a 32-bit Windows has one view, which both name.
 *
 * Registry links are followed on the way to a key, as Windows does, but nothing that goes through a tree follows
 * one: tree, info, delete and create open with REG_OPTION_OPEN_LINK and walk from handle to handle. Keys are
 * deleted with NtDeleteKey on the handle that was looked at, because RegDeleteKey fails for a link
 * (https://learn.microsoft.com/openspecs/windows_protocols/ms-rrp/d5ce9dcc-1f90-4f5a-b076-cc1d2c9b4195) and
 * RegDeleteTree goes through it. */
#include "reg_parts.h"

static const luaL_Reg reads[] = {
    {"get", reg_get},   {"values", reg_values},     {"keys", reg_keys},   {"exists", reg_exists}, {"info", reg_info},
    {"tree", reg_tree}, {"security", reg_security}, {"watch", reg_watch}, {NULL, NULL},
};
static const luaL_Reg writes[] = {
    {"set", reg_set},   {"delete", reg_delete}, {"create", reg_create}, {"set_security", reg_set_security},
    {"save", reg_save}, {"load", reg_load},     {"unload", reg_unload}, {"import", NULL},
    {"copy", NULL},     {"restore", NULL},      {NULL, NULL},
};

const luax_subject reg_subject = {"reg", reads, writes, "reg"};

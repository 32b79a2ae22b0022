/* The metabase of IIS 6 (IMSAdminBaseW of iadmw.h): only the methods that p80 calls have names and types, the others
 * hold their places. */
#ifndef P80_IIS_METABASE_H
#define P80_IIS_METABASE_H

#include <lua.h>
#include <winsock2.h>
#include <windows.h>

/* METADATA_RECORD */
typedef struct metabase_record {
  DWORD identifier, attributes, user_type, data_type, size;
  BYTE *data;
  DWORD tag;
} metabase_record;
_Static_assert(sizeof(metabase_record) == (sizeof(void *) == 8 ? 40 : 28), "METADATA_RECORD");

/* IMSAdminBaseW */
typedef struct metabase metabase;
struct metabase {
  const struct metabase_vtable {
    void *unknown[3];
    void *add_key, *delete_key, *delete_child_keys;
    HRESULT(STDMETHODCALLTYPE *enum_keys)(metabase *, DWORD key, LPCWSTR path, LPWSTR name, DWORD index);
    void *copy_key, *rename_key;
    HRESULT(STDMETHODCALLTYPE *set_data)(metabase *, DWORD key, LPCWSTR path, metabase_record *);
    HRESULT(STDMETHODCALLTYPE *get_data)(metabase *, DWORD key, LPCWSTR path, metabase_record *, DWORD *needed);
    void *delete_data, *enum_data, *get_all_data, *delete_all_data, *copy_data, *get_data_paths;
    HRESULT(STDMETHODCALLTYPE *open_key)
    (metabase *, DWORD key, LPCWSTR path, DWORD access, DWORD timeout, DWORD *opened);
    HRESULT(STDMETHODCALLTYPE *close_key)(metabase *, DWORD key);
    void *change_permissions;
    HRESULT(STDMETHODCALLTYPE *save_data)(metabase *);
  } * v;
};

#endif

/* The configuration objects of IIS 7 and newer (ahadmin.h of Windows' SDK, which MinGW lacks; layout after
 * [MC-IISA]): only the methods that p80 calls have names and types, the others hold their places. */
#ifndef P80_IIS_APPHOST_H
#define P80_IIS_APPHOST_H

#include <lua.h>
#include <winsock2.h>
#include <windows.h>
#include <oleauto.h>

typedef struct apphost_manager apphost_manager;
typedef struct apphost_element apphost_element;
typedef struct apphost_collection apphost_collection;
typedef struct apphost_property apphost_property;
typedef struct apphost_methods apphost_methods;
typedef struct apphost_method apphost_method;
typedef struct apphost_call apphost_call;

/* IAppHostWritableAdminManager */
struct apphost_manager {
  const struct apphost_manager_vtable {
    void *unknown[3];
    HRESULT(STDMETHODCALLTYPE *get_section)(apphost_manager *, BSTR name, BSTR path, apphost_element **);
    void *metadata[2];
    void *config_manager;
    HRESULT(STDMETHODCALLTYPE *commit)(apphost_manager *);
    void *get_commit_path;
    HRESULT(STDMETHODCALLTYPE *put_commit_path)(apphost_manager *, BSTR path);
  } * v;
};

/* IAppHostElement */
struct apphost_element {
  const struct apphost_element_vtable {
    void *unknown[3];
    void *name;
    HRESULT(STDMETHODCALLTYPE *get_collection)(apphost_element *, apphost_collection **);
    void *properties, *child_elements;
    void *metadata[2];
    void *schema;
    HRESULT(STDMETHODCALLTYPE *get_element)(apphost_element *, BSTR name, apphost_element **);
    HRESULT(STDMETHODCALLTYPE *get_property)(apphost_element *, BSTR name, apphost_property **);
    void *clear;
    HRESULT(STDMETHODCALLTYPE *get_methods)(apphost_element *, apphost_methods **);
  } * v;
};

/* IAppHostElementCollection */
struct apphost_collection {
  const struct apphost_collection_vtable {
    void *unknown[3];
    HRESULT(STDMETHODCALLTYPE *get_count)(apphost_collection *, DWORD *);
    HRESULT(STDMETHODCALLTYPE *get_item)(apphost_collection *, VARIANT index, apphost_element **);
  } * v;
};

/* IAppHostProperty */
struct apphost_property {
  const struct apphost_property_vtable {
    void *unknown[3];
    void *name;
    HRESULT(STDMETHODCALLTYPE *get_value)(apphost_property *, VARIANT *);
    HRESULT(STDMETHODCALLTYPE *put_value)(apphost_property *, VARIANT);
  } * v;
};

/* IAppHostMethodCollection */
struct apphost_methods {
  const struct apphost_methods_vtable {
    void *unknown[3];
    HRESULT(STDMETHODCALLTYPE *get_count)(apphost_methods *, DWORD *);
    HRESULT(STDMETHODCALLTYPE *get_item)(apphost_methods *, VARIANT index, apphost_method **);
  } * v;
};

/* IAppHostMethod */
struct apphost_method {
  const struct apphost_method_vtable {
    void *unknown[3];
    HRESULT(STDMETHODCALLTYPE *get_name)(apphost_method *, BSTR *);
    void *schema;
    HRESULT(STDMETHODCALLTYPE *create_instance)(apphost_method *, apphost_call **);
  } * v;
};

/* IAppHostMethodInstance */
struct apphost_call {
  const struct apphost_call_vtable {
    void *unknown[3];
    void *input, *output;
    HRESULT(STDMETHODCALLTYPE *execute)(apphost_call *);
  } * v;
};

#endif

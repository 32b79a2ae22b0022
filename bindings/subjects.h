/* The subjects of `win`; each is defined in the C file of its name. */
#ifndef P80_SUBJECTS_H
#define P80_SUBJECTS_H

#include "luax.h"

extern const luax_subject host_subject;
extern const luax_subject tcp_subject;
extern const luax_subject process_subject;
extern const luax_subject scm_subject;
extern const luax_subject reg_subject;
extern const luax_subject http_subject;
extern const luax_subject iplisten_subject;
extern const luax_subject urlacl_subject;
extern const luax_subject file_subject;
extern const luax_subject account_subject;
extern const luax_subject iis_subject;

#endif

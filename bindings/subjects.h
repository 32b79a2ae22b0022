/* The subjects of `win`; each is defined in the C file of its name. What their functions take, give and raise, and
 * the pages of Microsoft that they follow, is in scripts/api. */
#ifndef P80_SUBJECTS_H
#define P80_SUBJECTS_H

#include "luax.h"

/* clang-format off */
#define SUBJECTS(S) \
  S(host) \
  S(tcp) \
  S(udp) \
  S(process) \
  S(scm) \
  S(reg) \
  S(http) \
  S(iplisten) \
  S(urlacl) \
  S(http_sslcert) \
  S(http_timeout) \
  S(http_cache) \
  S(http_setting) \
  S(http_parameters) \
  S(file) \
  S(account) \
  S(iis) \
  S(event) \
  S(task) \
  S(driver) \
  S(feature)
/* clang-format on */

#define SUBJECT_DECLARATION(name) extern const luax_subject name##_subject;
SUBJECTS(SUBJECT_DECLARATION)
#undef SUBJECT_DECLARATION

#endif

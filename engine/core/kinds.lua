-- The kinds of things that can be changed, by subject, in the order in which people are told of them. A run must know
-- them all, to take grants, but opens only the subjects that it changes; gate.declare sees to it that none is missing
-- here. `later`: further parts of a subject, for what its first does not have.
return {
  later = {scm = {"scm_config", "scm_service"}},
  subjects = {"scm", "reg", "http", "iis", "process", "tcp", "file", "event", "task", "feature", "policy", "install"},
  scm = {"scm.state", "scm.config", "scm.password", "scm.details", "scm.security", "scm.service", "scm.control"},
  reg = {"reg.value", "reg.key", "reg.security", "reg.save", "reg.hive"},
  http = {
    "http.iplisten", "http.urlacl", "http.sslcert", "http.timeout", "http.cache", "http.setting", "http.parameters",
  },
  iis = {"iis.binding", "iis.site"},
  process = {"process.state", "process.run"},
  tcp = {"tcp.connection"},
  file = {"file.write"},
  event = {"event.entry", "event.source"},
  task = {"task", "task.run"},
  feature = {},
  policy = {"policy.file"},
  install = {"install.playbook"},
}

-- win.host, the half in Lua: words for the numbers of Windows.
local host, _, x = ...

-- The name of each version, as its maker writes it. Windows 10 and later differ in their build numbers only: the
-- newest entry that is not newer than the build.
local SERVERS = {
  ["5.2"] = "Windows Server 2003",
  ["6.0"] = "Windows Server 2008",
  ["6.1"] = "Windows Server 2008 R2",
  ["6.2"] = "Windows Server 2012",
  ["6.3"] = "Windows Server 2012 R2",
  ["10.0"] = {
    {14393, "Windows Server 2016"}, {16299, "Windows Server, semi-annual channel"}, {17763, "Windows Server 2019"},
    {18362, "Windows Server, semi-annual channel"}, {20348, "Windows Server 2022"},
    {25398, "Windows Server, version 23H2"}, {26100, "Windows Server 2025"},
  },
}
local CLIENTS = {
  ["5.2"] = "Windows XP Professional x64 Edition",
  ["6.0"] = "Windows Vista",
  ["6.1"] = "Windows 7",
  ["6.2"] = "Windows 8",
  ["6.3"] = "Windows 8.1",
  ["10.0"] = {{10240, "Windows 10"}, {22000, "Windows 11"}},
}

local function product_name(version)
  local name = (version.server and SERVERS or CLIENTS)[("%d.%d"):format(version.major, version.minor)]
  if type(name) ~= "table" then return name or "Windows" end
  local found = version.server and "Windows Server" or "Windows"
  for _, entry in ipairs(name) do
    if version.build >= entry[1] then found = entry[2] end
  end
  return found
end

local version_numbers = host.version

function host.version(...)
  local version = version_numbers(...)
  local pack = version.service_pack > 0 and (" Service Pack %d"):format(version.service_pack) or ""
  version.text = ("%s%s (%d.%d.%d)"):format(product_name(version), pack, version.major, version.minor, version.build)
  return version
end

-- Microsoft's names of the product types (learn.microsoft.com, GetProductInfo: PRODUCT_STANDARD_SERVER, ...).
local PRODUCTS = {
  [0x01] = "ultimate", [0x02] = "home_basic", [0x03] = "home_premium", [0x04] = "enterprise",
  [0x05] = "home_basic_n", [0x06] = "business", [0x07] = "standard_server", [0x08] = "datacenter_server",
  [0x09] = "smallbusiness_server", [0x0A] = "enterprise_server", [0x0B] = "starter",
  [0x0C] = "datacenter_server_core", [0x0D] = "standard_server_core", [0x0E] = "enterprise_server_core",
  [0x0F] = "enterprise_server_ia64", [0x10] = "business_n", [0x11] = "web_server", [0x12] = "cluster_server",
  [0x13] = "home_server", [0x14] = "storage_express_server", [0x15] = "storage_standard_server",
  [0x16] = "storage_workgroup_server", [0x17] = "storage_enterprise_server", [0x18] = "server_for_smallbusiness",
  [0x19] = "smallbusiness_server_premium", [0x1A] = "home_premium_n", [0x1B] = "enterprise_n",
  [0x1C] = "ultimate_n", [0x1D] = "web_server_core", [0x1E] = "mediumbusiness_server_management",
  [0x1F] = "mediumbusiness_server_security", [0x20] = "mediumbusiness_server_messaging",
  [0x21] = "server_foundation", [0x22] = "home_premium_server", [0x23] = "server_for_smallbusiness_v",
  [0x24] = "standard_server_v", [0x25] = "datacenter_server_v", [0x26] = "enterprise_server_v",
  [0x27] = "datacenter_server_core_v", [0x28] = "standard_server_core_v", [0x29] = "enterprise_server_core_v",
  [0x2A] = "hyperv", [0x2B] = "storage_express_server_core", [0x2C] = "storage_standard_server_core",
  [0x2D] = "storage_workgroup_server_core", [0x2E] = "storage_enterprise_server_core", [0x2F] = "starter_n",
  [0x30] = "professional", [0x31] = "professional_n", [0x32] = "sb_solution_server",
  [0x33] = "server_for_sb_solutions", [0x34] = "standard_server_solutions",
  [0x35] = "standard_server_solutions_core", [0x36] = "sb_solution_server_em",
  [0x37] = "server_for_sb_solutions_em", [0x38] = "solution_embeddedserver",
  [0x3B] = "essentialbusiness_server_mgmt", [0x3C] = "essentialbusiness_server_addl",
  [0x3D] = "essentialbusiness_server_mgmtsvc", [0x3E] = "essentialbusiness_server_addlsvc",
  [0x3F] = "smallbusiness_server_premium_core", [0x40] = "cluster_server_v", [0x48] = "enterprise_evaluation",
  [0x4C] = "multipoint_standard_server", [0x4D] = "multipoint_premium_server",
  [0x4F] = "standard_evaluation_server", [0x50] = "datacenter_evaluation_server",
  [0x54] = "enterprise_n_evaluation", [0x5F] = "storage_workgroup_evaluation_server",
  [0x60] = "storage_standard_evaluation_server", [0x62] = "core_n", [0x63] = "core_countryspecific",
  [0x64] = "core_singlelanguage", [0x65] = "core", [0x67] = "professional_wmc", [0x6D] = "nano_server",
  [0x6E] = "cloud_storage_server", [0x79] = "education", [0x7A] = "education_n", [0x7D] = "enterprise_s",
  [0x7E] = "enterprise_s_n", [0x81] = "enterprise_s_evaluation", [0x82] = "enterprise_s_n_evaluation",
  [0x8F] = "datacenter_nano_server", [0x90] = "standard_nano_server", [0x91] = "datacenter_a_server_core",
  [0x92] = "standard_a_server_core", [0x93] = "datacenter_ws_server_core", [0x94] = "standard_ws_server_core",
  [0x9F] = "datacenter_evaluation_server_core", [0xA0] = "standard_evaluation_server_core",
  [0xA1] = "pro_workstation", [0xA2] = "pro_workstation_n", [0xA4] = "pro_for_education",
  [0xA5] = "pro_for_education_n", [0xA8] = "azure_server_core", [0xA9] = "azure_nano_server",
  [0xAF] = "serverrdsh", [0xBC] = "iotenterprise", [0xBF] = "iotenterprises",
  [0x196] = "azurestackhci_server_core", [0x197] = "datacenter_server_azure_edition",
  [0x198] = "datacenter_server_core_azure_edition", [0xABCDABCD] = "unlicensed",
}

-- The same words from the suite mask of Windows Server 2003 (OSVERSIONINFOEX: VER_SUITE_...), the most telling first.
local SUITES = {
  {0x0080, "datacenter_server"}, {0x4000, "cluster_server"}, {0x2000, "storage_standard_server"},
  {0x8000, "home_server"}, {0x0400, "web_server"}, {0x0020, "smallbusiness_server"}, {0x0002, "enterprise_server"},
}

local function suite_word(suites, server)
  if not server then return "professional" end
  for _, suite in ipairs(SUITES) do
    if suites & suite[1] ~= 0 then return suite[2] end
  end
  return "standard_server"
end

local edition_numbers = host.edition

function host.edition(...)
  local product, suites, server = edition_numbers(...)
  if not product or product == 0 then return suite_word(suites, server) end
  return PRODUCTS[product] or ("product_0x%02X"):format(product)
end

function host.info(...)
  if select("#", ...) > 0 then x.check "host.info".arguments(select("#", ...), 0, 0) end
  return {
    version = host.version(), edition = host.edition(), architecture = host.architecture(), name = host.name(),
    elevated = host.elevated(), boot_time = host.boot_time(),
  }
end

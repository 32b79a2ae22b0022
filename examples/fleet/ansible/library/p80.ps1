#!powershell
# An Ansible module: runs a playbook of the p80.exe that is installed on the machine. Put it into library/ beside a play.
#AnsibleRequires -CSharpUtil Ansible.Basic

$spec = @{
    options = @{
        playbook = @{ type = "str"; required = $true }
        arguments = @{ type = "dict"; default = @{} }
        program = @{ type = "path"; default = "$env:ProgramFiles\p80\p80.exe" }
    }
    supports_check_mode = $true
}
$module = [Ansible.Basic.AnsibleModule]::Create($args, $spec)

$words = @("--report", "ansible")
if ($module.CheckMode) { $words += "--check" }
$words += $module.Params.playbook, "--args-file", "-"

# p80 speaks UTF-8; what it writes to standard error is no failure of PowerShell's.
$utf8 = New-Object System.Text.UTF8Encoding $false
$OutputEncoding = $utf8
[Console]::OutputEncoding = $utf8
$ErrorActionPreference = "Continue"
$arguments = ConvertTo-Json -InputObject $module.Params.arguments -Depth 10 -Compress
$output = $arguments | & $module.Params.program @words 2>$null
$ErrorActionPreference = "Stop"

$result = $output | Select-Object -Last 1 | ConvertFrom-Json
foreach ($name in "run", "changes", "result", "reboot_required", "rc") {
    if ($null -ne $result.$name) { $module.Result[$name] = $result.$name }
}
foreach ($warning in $result.warnings) { $module.Warn($warning) }
$module.Result.changed = $result.changed
$module.Result.msg = $result.msg
if ($module.DiffMode -and $result.diff) { $module.Diff.before = $result.diff.before; $module.Diff.after = $result.diff.after }
if ($result.failed) { $module.FailJson($result.msg) }
$module.ExitJson()

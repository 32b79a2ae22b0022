# bolt task run p80::playbook playbook=free80 arguments='{"port": 80}' --targets windows [--noop]
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [string] $playbook,
    [Hashtable] $arguments = @{},
    [string] $program = "$env:ProgramFiles\p80\p80.exe",
    [bool] $_noop = $false
)

$words = @("--report", "bolt")
if ($_noop) { $words += "--check" }
$words += $playbook, "--args-file", "-"

$utf8 = New-Object System.Text.UTF8Encoding $false
$OutputEncoding = $utf8
[Console]::OutputEncoding = $utf8
ConvertTo-Json -InputObject $arguments -Depth 10 -Compress | & $program @words
exit $LASTEXITCODE

# The remediation script. As the install command of a Win32 app the line itself is enough: Intune knows 3010 there.
& "$env:ProgramFiles\p80\p80.exe" --report intune free80 --port 80 --persist
if ($LASTEXITCODE -eq 3010) { exit 0 }
exit $LASTEXITCODE

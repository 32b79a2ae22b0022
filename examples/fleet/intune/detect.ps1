# The detection script of a remediation: 0 and "compliant: ..." when nothing is to be done, else 1 and what would be.
& "$env:ProgramFiles\p80\p80.exe" --report intune --check free80 --port 80 --persist
exit $LASTEXITCODE

# salt 'web*' state.apply free80 [test=True]
free80:
  cmd.run:
    - name: '"C:\Program Files\p80\p80.exe" --report salt free80 --port 80 --persist'
    - stateful:
      - test_name: '"C:\Program Files\p80\p80.exe" --report salt --check free80 --port 80 --persist'

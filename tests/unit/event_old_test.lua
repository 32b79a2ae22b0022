-- build: shim
-- win.event through the API of Windows before Vista: the cases of event_test.lua, where the new one does not exist.
test.setenv("P80_SHIM_NT52", "1")
dofile(test.folder .. "\\unit\\event_test.lua")

-- Read before Lua's own test suite. Its authors ask for _U in runs by users: no internal tests, no
-- tests of what differs between systems. musl answers every locale's name but has only the one of
-- the C language, so the suite must not find another.
_U = true
local setlocale = os.setlocale
function os.setlocale(name, ...)
    if name and name ~= "" and name ~= "C" and name ~= "POSIX" then return nil end
    return setlocale(name, ...)
end

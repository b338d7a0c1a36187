-- Files and standard streams.
print(io.read("l"), io.read("n"), io.read("a"))

local name = "notes.txt"
local file = assert(io.open(name, "w"))
file:setvbuf("full", 4096)
for i = 1, 2000 do file:write("line ", i, "\n") end
print(file:seek("cur"), file:close())

local lines, bytes = 0, 0
for line in io.lines(name) do lines, bytes = lines + 1, bytes + #line end
print(lines, bytes)

file = assert(io.open(name, "r+"))
print(file:seek("end"), file:seek("set", 100), file:read(12))
file:seek("set", 0)
file:write("LINE")
file:flush()
file:seek("set", 0)
print(file:read("l", "l", "n"))
file:close()
print(pcall(file.read, file))

file = assert(io.open(name, "a"))
file:setvbuf("no")
for i = 1, 20 do file:write("appended ", i, "\n") end
file:close()
print(io.type(file), #assert(io.open(name)):read("a"))

print(os.rename(name, "renamed.txt"), io.open(name))
print(os.remove("absent.txt"))
print(os.rename("renamed.txt", "no/such/place"))

local temporary = io.tmpfile()
temporary:write(("binary\0data"):rep(1000))
temporary:seek("set")
print(#temporary:read("a"), temporary:close())
local path = os.tmpname()
print(#path > 0, os.remove(path))

io.stderr:write("to standard error\n")
io.stdout:setvbuf("line")
io.output():write("to standard output\n")
os.exit(3, true)

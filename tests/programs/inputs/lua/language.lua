-- The language itself: prints the same text on every run.
print(_VERSION, #arg, arg[1], arg[2])

-- strings
print(("%5.2f|%-6s|%+d|%x|%q"):format(3.14159, "left", 42, 255, "quo\"te\n"))
print(("the quick brown fox"):gsub("%w+", string.upper))
for key, value in ("a=1, b=22, c=333"):gmatch("(%w+)=(%w+)") do io.write(key, ":", value, " ") end
print(("x"):rep(5, "-"), ("hello"):byte(1, -1))
print(string.pack("<i4z", 7, "end"):byte(1, -1))
print(utf8.char(72, 228, 8364, 128512), utf8.len("Hä€"))

-- tables, closures, metatables
local squares = setmetatable({}, { __index = function(_, n) return n * n end })
print(squares[12], rawget(squares, 12))
local words = { "weft", "warp", "loom", "dye", "seam" }
table.sort(words, function(a, b) return #a < #b or (#a == #b and a < b) end)
print(table.concat(words, " "), table.unpack({ 1, 2, 3 }, 2))
local function counter() local n = 0 return function() n = n + 1 return n end end
local first, second = counter(), counter()
print(first(), first(), second())

-- coroutines
local primes = coroutine.wrap(function()
    local found = {}
    for n = 2, 200 do
        local prime = true
        for _, p in ipairs(found) do if n % p == 0 then prime = false break end end
        if prime then found[#found + 1] = n coroutine.yield(n) end
    end
end)
local sum, count = 0, 0
for p in primes do sum, count = sum + p, count + 1 end
print(count, sum)
local made = {}
for i = 1, 1000 do made[i] = coroutine.create(function(x) while true do x = coroutine.yield(x * i) end end) end
local total = 0
for i = 1, 1000 do total = total + select(2, coroutine.resume(made[i], i)) end
print(total, coroutine.status(made[1]), coroutine.close(made[1]), coroutine.status(made[1]))

-- errors
print(pcall(error, { code = 7 }) == false, select(2, pcall(error, "a message", 0)))
print(select(2, xpcall(function() local x = nil; return x.field end, function(m) return "handled: " .. m end)))
print(pcall(string.rep, "x", 1 << 60))
local function deep(n) return n == 0 and 0 or 1 + deep(n - 1) end
print(deep(10000), pcall(deep, 1e7))

-- numbers
print(7 // 2, -7 // 2, 7 % -3, 2 ^ 0.5, 1 / 0, -(0 / 0) ~= 0, 3 | 4, ~0, 1 << 63, math.maxinteger + 1 == math.mininteger)
print(math.floor(-3.5), math.tointeger("8"), tonumber("0x1p4"), tonumber("zz", 36), math.ult(1, -1))

-- compile at run time, close on leaving, goto
print(load("local a, b = ... return a + b")(20, 22), load("syntax error here"))
do
    local guard <close> = setmetatable({}, { __close = function() print("closed") end })
    print("in the block")
end
for i = 1, 3 do
    if i == 2 then goto continue end
    io.write(i, " ")
    ::continue::
end
print()
print(os.date("!%Y-%m-%d %H:%M:%S", 1700000000), os.time({ year = 2024, month = 2, day = 29, hour = 12 }) ~= nil)
print(os.getenv("NO_SUCH_VARIABLE"), os.clock() >= 0, type(os.time()))

-- Memory: many small objects, a few large ones, both kinds of collector.
local function churn(rounds)
    local kept = {}
    for i = 1, rounds do
        kept[i % 100 + 1] = { i, tostring(i), { i } }
        if i % 5000 == 0 then kept = {} end
    end
    return #kept
end
print(churn(200000))
collectgarbage("generational")
print(churn(200000))
collectgarbage("incremental")

local big = {}
for i = 1, 40 do big[i] = ("x"):rep(i * 100000) end
print(#table.concat(big))
big = nil
local before = collectgarbage("count")
collectgarbage()
print(collectgarbage("count") < before)

local weak = setmetatable({}, { __mode = "v" })
for i = 1, 100 do weak[i] = {} end
collectgarbage()
print(next(weak))
local finalized = 0
for _ = 1, 50 do setmetatable({}, { __gc = function() finalized = finalized + 1 end }) end
collectgarbage()
print(finalized)
print(pcall(string.rep, "x", 1 << 40))

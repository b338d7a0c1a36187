-- The primes below 10000 by a sieve, written to a file and read back.
local sieve, count = {}, 0
for n = 2, 10000 do sieve[n] = true end
local file = assert(io.open("primes.txt", "w"))
for n = 2, 10000 do
    if sieve[n] then
        count = count + 1
        file:write(n, "\n")
        for multiple = n * n, 10000, n do sieve[multiple] = false end
    end
end
file:close()
local last
for line in io.lines("primes.txt") do last = line end
print(_VERSION .. ": " .. count .. " primes below 10000, the last is " .. last)

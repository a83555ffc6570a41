-- SPDX-License-Identifier: GPL-2.0-only
-- What a Lua program does with memory: usage: work.lua tables|text N

local work = {}

function work.tables(n)
	local all, sum = {}, 0

	for i = 1, n do
		all[i] = { id = i, name = "item " .. i, parts = { i, i + 1, i + 2 } }
	end
	for i = 1, n, 2 do
		all[i] = { all[i], { x = i } }
	end
	for _, item in ipairs(all) do
		sum = sum + (item.id or item[2].x)
	end
	return sum
end

function work.text(n)
	local parts, count = {}, 0

	for i = 1, n do
		parts[#parts + 1] = string.format("%d:%s", i, string.rep("ab", i % 40))
	end
	local whole = table.concat(parts, " ")
	for word in whole:gmatch("%S+") do
		count = count + #word:upper():reverse()
	end
	return count
end

print(work[arg[1]](tonumber(arg[2])))

-- A hold has ended, also one that was never placed here. ARGV: run, epoch, key, at, by, why.
-- Answers: 0, or 5 if the connection was given up.
local run, epoch, key, at, by, why = unpack(ARGV)
if is_fenced(run, epoch) then return {5} end
ended(key, at, by, why)
return {0}

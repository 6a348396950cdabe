-- What the sites' rules are written with. Each site adds `check(job)`, which answers the words of a
-- refusal, or nil. Slurm marks what was not asked for by the largest numbers of a type.

local function is_set(number)
  return number ~= nil and number ~= slurm.NO_VAL and number ~= slurm.NO_VAL64 and number ~= slurm.NO_VAL16
end

local function is_given(text)
  return text ~= nil and text ~= ""
end

-- The GPUs in one of Slurm's resource lists, such as gres:gpu:a100:2 or cpu=4,gres/gpu=1, and
-- their type where it is named.
local function gpus_in(list)
  if not is_given(list) then
    return 0, nil
  end
  for item in string.gmatch(list, "[^,]+") do
    local rest = string.match(item, "gpu(.*)$")
    if rest ~= nil then
      local kind = string.match(rest, "^:([%a][%w_.-]*)")
      return tonumber(string.match(rest, "[:=](%d+)$") or "1"), kind
    end
  end
  return 0, nil
end

-- How GPUs were asked for: task, node, job or socket; nil for not at all.
local function gpu_form(job)
  local forms = {
    task = job.tres_per_task, node = job.tres_per_node, job = job.tres_per_job, socket = job.tres_per_socket,
  }
  for form, list in pairs(forms) do
    if gpus_in(list) > 0 then
      return form
    end
  end
  return nil
end

-- GPUs on each node, and their type; jobs that name no number of tasks have one on each node.
local function gpus_per_node(job)
  local on_node, kind = gpus_in(job.tres_per_node)
  if on_node > 0 then
    return on_node, kind
  end
  local of_task, task_kind = gpus_in(job.tres_per_task)
  return of_task * (is_set(job.ntasks_per_node) and job.ntasks_per_node or 1), task_kind
end

local function cpus_per_node(job)
  local tasks = is_set(job.ntasks_per_node) and job.ntasks_per_node or 1
  return tasks * (is_set(job.cpus_per_task) and job.cpus_per_task or 1)
end

local function asks_memory_per_cpu(job)
  return is_set(job.min_mem_per_cpu)
end

local function asks_memory_per_node(job)
  return is_set(job.min_mem_per_node)
end

function slurm_job_submit(job, partitions, user)
  local refusal = check(job)
  if refusal ~= nil then
    slurm.log_user("%s", refusal)
    return slurm.ERROR
  end
  return slurm.SUCCESS
end

function slurm_job_modify(change, job, partitions, user)
  return slurm.SUCCESS
end

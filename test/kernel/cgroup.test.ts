import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Answer, Disk } from "../bed/qemu.ts";
import { cgroup, facts, fail, makeHostDisk, type Service, serviceNames, show } from "./host.ts";
import { ownLimits } from "./payloads.ts";

let disk: Disk;
beforeAll(async () => {
  disk = await makeHostDisk();
});
afterAll(() => disk?.remove());

const eaters = ["eater", "eater-crun", "limited"] as const;
/** Those that an OOM kill has not ended. */
const steady = ["crowd", "etcd"] as const;

const running = Object.fromEntries(
  serviceNames.flatMap((name) => [
    [`${name} runs`, show(name)],
    [`${name} cgroup`, cgroup(name)],
  ]),
);
const journal = "journalctl --boot --no-pager --output=cat _PID=1 + _TRANSPORT=kernel";
/** What `keelson why` goes by. */
const outOfMemory = "journalctl --boot --no-pager --output=cat MESSAGE_ID=fe6faa94e7774663a0da52717891d8ef";
const remains = "ls -A /run/runc /run/crun; find /sys/fs/cgroup -path '*.service/container*'";

type Answers = Readonly<Record<string, Answer>>;
const factsOf = (answers: Answers, name: string) => facts(answers[name] ?? { status: -1, output: "not asked" });

describe("the first boot of a host that was installed from outside", () => {
  let answers: Answers;
  beforeAll(async () => {
    answers = await disk.boot({
      ...running,
      ...Object.fromEntries(eaters.map((name) => [`${name} fails`, fail(name)])),
      "out of memory": outOfMemory,
      "crowd is full": `echo go >/var/lib/crowd/gate/open && cat /var/lib/crowd/gate/full && ${cgroup("crowd")}`,
      "start again": `systemctl start ${eaters.join(" ")}`,
      ...Object.fromEntries(eaters.map((name) => [`${name} again`, show(name)])),
      stop: `systemctl stop ${serviceNames.join(" ")}`,
      ...Object.fromEntries(serviceNames.map((name) => [`${name} stopped`, show(name)])),
      remains,
      journal,
    });
  });

  it.each(serviceNames)("75: %s runs in a cgroup of its own below its unit's, with every controller", (name) =>
    expectOwnCgroup(answers, name),
  );

  it("75: limits of a drop-in are those of the unit's cgroup, in whatever slice", () => {
    expect(factsOf(answers, "eater cgroup")["./memory.max"]).toBe(String(64 << 20));
    expect(factsOf(answers, "eater-crun cgroup")["./memory.max"]).toBe(String(64 << 20));
    expect(factsOf(answers, "etcd cgroup")["./memory.max"]).toBe(String(300 << 20));
    expect(factsOf(answers, "crowd cgroup")["./pids.max"]).toBe("20");
    expect(factsOf(answers, "crowd runs").ControlGroup).toBe("/custom.slice/crowd.service");
  });

  it("limits of the image's config.json are those of the container's cgroup", () => {
    expect(factsOf(answers, "limited cgroup")).toMatchObject({
      "./memory.max": "max",
      "./container/memory.max": String(ownLimits.memory.limit),
      "./container/pids.max": String(ownLimits.pids.limit),
    });
  });

  it.each([
    ["eater", "/system.slice/eater.service"],
    ["eater-crun", "/system.slice/eater-crun.service"],
    ["limited", "/system.slice/limited.service/container"],
  ] as const)("75: the kernel ends %s when it wants more memory, for the limit of %s", (name, limiting) => {
    expect(factsOf(answers, `${name} fails`)).toMatchObject({
      ActiveState: "failed",
      Result: "signal",
      ExecMainStatus: "9",
    });
    expect(answers.journal?.output).toMatch(new RegExp(`oom_memcg=${limiting},`));
  });

  it.each(eaters)("systemd tells of %s that memory ran out, though that is not its result", (name) => {
    expect(answers["out of memory"]?.output).toContain(`${name}.service: A process of this unit has been killed`);
  });

  it("75: MemoryMax= leaves everybody else alone", () => {
    for (const name of steady) expect(factsOf(answers, `${name} runs`).NRestarts).toBe("0");
    const kills = [...(answers.journal?.output ?? "").matchAll(/oom_memcg=([^,]+),/g)].map(([, group]) => group);
    expect(kills).toHaveLength(eaters.length);
  });

  it("75: TasksMax= holds back who makes processes without end", () => {
    const full = factsOf(answers, "crowd is full");
    const processes = full["./container/cgroup.procs"]?.split(" ") ?? [];
    expect(processes.length).toBeGreaterThan(15);
    expect(processes.length).toBeLessThanOrEqual(20);
    expect(full["./container/pids.events"]).toMatch(/^max [1-9]/);
  });

  it("what was ended for its memory starts again", () => {
    expect(answers["start again"]).toEqual({ status: 0, output: "" });
    for (const name of eaters) expect(factsOf(answers, `${name} again`).ActiveState).toBe("active");
  });

  it("a stop leaves inactive units, no container and no cgroup", () => {
    expect(answers.stop).toEqual({ status: 0, output: "" });
    for (const name of serviceNames) {
      expect([name, factsOf(answers, `${name} stopped`)]).toMatchObject([
        name,
        { ActiveState: "inactive", Result: "success", MainPID: "0" },
      ]);
    }
    expect(answers.remains).toEqual({ status: 0, output: "/run/crun:\n\n/run/runc:" });
  });

  it("neither systemd nor the kernel complains of the cgroups", () => {
    expect(answers.journal?.output).toContain("Started etcd.service");
    expect(answers.journal?.output).not.toMatch(/Failed to (?:kill|attach|set|create)|invalid state|left-over process/);
  });
});

describe("the second boot of the same disk", () => {
  let answers: Answers;
  beforeAll(async () => {
    answers = await disk.boot(running);
  });

  it.each(serviceNames)("%s is there again, by itself and in its own cgroup", (name) => expectOwnCgroup(answers, name));
});

function expectOwnCgroup(answers: Answers, name: Service): void {
  const state = factsOf(answers, `${name} runs`);
  expect(state).toMatchObject({ ActiveState: "active", SubState: "running", NRestarts: "0" });
  const group = factsOf(answers, `${name} cgroup`);
  expect(group).toMatchObject({
    "./cgroup.type": "domain",
    "./cgroup.procs": "",
    "./container/cgroup.type": "domain",
    "./start/cgroup.procs": "",
  });
  expect(group["./container/cgroup.procs"]?.split(" ")).toContain(state.MainPID);
  expect(group["./container/cgroup.controllers"]?.split(" ")).toEqual(
    expect.arrayContaining(["cpu", "memory", "pids"]),
  );
}

import { describe, expect, it } from "vitest";
import type { Template } from "../../src/contract/template.ts";
import type { Values } from "../../src/contract/values.ts";
import { hostPlaces } from "../../src/plan/places.ts";
import { cgroupsPathOf, type ExecPlaces, launchOf, planExecLines, planUnit } from "../../src/plan/unit.ts";
import { parseUnit } from "../../src/plan/unit-file.ts";

const places: ExecPlaces = {
  name: "etcd",
  runtime: "/usr/sbin/runc",
  runtimeName: "runc",
  destdir: "/var/lib/keelson/deployments/etcd/current",
  runtimeState: "/run/runc",
  manager: { path: "", slice: "system" },
  pidFile: "/run/container-etcd.pid",
  stopSignal: "SIGTERM",
  hasSocket: false,
};

function template(...lines: string[]): Template {
  return { kind: "string-template", name: "/exports/service.template", text: `${lines.join("\n")}\n` };
}

function plan(unit: Template, changed: Partial<ExecPlaces> = {}): string {
  const all = { ...places, ...changed };
  const launch = launchOf(unit);
  const exec = planExecLines(launch, all);
  const values: Values = new Map(
    Object.entries({
      NAME: all.name,
      EXEC_START: exec.execStart,
      EXEC_STOP: exec.execStop,
      EXEC_STARTPRE: exec.execStartPre,
      EXEC_STOPPOST: exec.execStopPost,
      PIDFILE: all.pidFile,
    }).map(([key, value]) => [key, { value, origin: "keelson" as const }]),
  );
  return planUnit(unit, values, launch, exec, all, { state: "/var/lib/keelson", places: hostPlaces }).text;
}

describe("how a unit launches its container", () => {
  it.each([
    ["no Type", template("[Service]", "ExecStart=$EXEC_START"), "forking"],
    ["Type=simple", template("[Service]", "Type=simple", "ExecStart=${EXEC_START}"), "forking"],
    ["Type=notify", template("[Service]", "Type=notify", "ExecStart=$EXEC_START"), "notify"],
    ["Type=oneshot", template("[Service]", "Type=oneshot", "ExecStart=$EXEC_START"), "attached"],
    ["a shell line around it", template("[Service]", "ExecStart=/bin/sh -c 'sleep 1; exec $EXEC_START'"), "embedded"],
    ["a host program", template("[Service]", "ExecStart=/usr/bin/python3 agent"), "none"],
    ["a prefix", template("[Service]", "ExecStart=-$EXEC_START"), "forking"],
    ["handlebars", { ...template("[Service]", "ExecStart={{EXEC_START}}"), kind: "handlebars" as const }, "forking"],
  ])("%s", (_, unit, launch) => {
    expect(launchOf(unit)).toBe(launch);
  });
});

describe("the unit", () => {
  it("18: runs detached with the image's own pid file, whether $PIDFILE or ${PIDFILE} is written", () => {
    for (const pidFile of ["$PIDFILE", "${PIDFILE}"]) {
      const text = plan(
        template("[Service]", "ExecStart=$EXEC_START", "ExecStopPost=$EXEC_STOPPOST", `PIDFile=${pidFile}`),
      );
      expect(text).toContain(
        "runc run -d --pid-file /run/container-etcd.pid --bundle /var/lib/keelson/deployments/etcd/current etcd",
      );
      expect(text.match(/^PIDFile=/gm)).toHaveLength(1);
      expect(text.match(/^ExecStopPost=/gm)).toHaveLength(1);
    }
  });

  it("18: stays attached, with a kill line, where systemd waits for the command itself", () => {
    const text = plan(template("[Service]", "Type=oneshot", "ExecStart=$EXEC_START", "ExecStop=$EXEC_STOP"));
    expect(text).toContain("runc run --bundle ");
    expect(text).toContain("ExecStop=/usr/sbin/runc kill etcd SIGTERM");
    expect(text).not.toContain("PIDFile=");
  });

  it("adds what the image's lines lack, below them, and nothing twice", () => {
    const text = plan(
      template(
        "[Unit]",
        "Description=$NAME",
        "[Service]",
        "ExecStart=$EXEC_START",
        "KillMode=process",
        "SuccessExitStatus=1 143",
      ),
    );
    expect(text).toContain(
      "ExecStart=/bin/sh -c '[ ! -e /run/runc/etcd ] || /usr/sbin/runc delete -f etcd; while read",
    );
    expect(text.startsWith("[Unit]\nDescription=etcd\n[Service]\n")).toBe(true);
    const added = text.slice(text.indexOf("# Added by keelson."));
    expect(added.split("\n")).toEqual([
      "# Added by keelson.",
      "[Unit]",
      "RequiresMountsFor=/var/lib/keelson",
      "After=keelson-recover.service",
      "[Service]",
      "Type=forking",
      "PIDFile=/run/container-etcd.pid",
      "Delegate=yes",
      "SyslogIdentifier=etcd",
      "ExecStopPost=-/usr/sbin/runc delete -f etcd",
      "",
    ]);
  });

  it("lets systemd wait for READY=1 and leaves no helper behind", () => {
    const text = plan(template("[Service]", "Type=notify", "ExecStart=$EXEC_START"));
    expect(text).toContain(
      "runc create --pid-file /run/container-etcd.pid --bundle /var/lib/keelson/deployments/etcd/current etcd && exec /usr/sbin/runc start etcd'",
    );
    expect(text).toContain("NotifyAccess=all");
    expect(text).not.toContain("Type=forking");
  });

  it("leaves a unit that runs no container alone but for its mounts", () => {
    const text = plan(template("[Service]", "ExecStart=/usr/bin/python3 agent"));
    expect(text).not.toContain("runc");
    expect(text).toContain("RequiresMountsFor=/var/lib/keelson");
  });

  it("stops with the image's own signal", () => {
    expect(plan(template("[Service]", "ExecStart=$EXEC_START"), { stopSignal: "SIGQUIT" })).toContain(
      "KillSignal=SIGQUIT",
    );
  });

  it("refuses a template whose lines systemd would pass over", () => {
    expect(() => plan(template("[Service]", "ExecStart=$EXEC_START", "not a setting"))).toThrow(
      expect.objectContaining({ code: "E_UNIT" }),
    );
  });
});

it("an instance is called by a name that the runtime takes, and with crun is in the slice that systemd gives it", () => {
  const instance = { ...places, name: "my-web@a.b", runtimeName: "crun" };
  expect(cgroupsPathOf("forking", instance, [])).toBe(
    "/system.slice/system-my\\x2dweb.slice/my-web@a.b.service/container",
  );
  expect(planExecLines("forking", instance).execStartPre).toBe("/usr/sbin/runc delete -f my-web+a.b");
});

describe("75: the container's cgroup", () => {
  const directives = parseUnit("[Service]\nSlice=early-infra.slice\n", "x");
  it.each([
    ["runc beside its own cgroup, in whatever slice", "forking" as const, {}, "container"],
    ["runc inside a command of the image", "embedded" as const, {}, "etcd.service/container"],
    [
      "crun by the slice of the unit",
      "forking" as const,
      { runtimeName: "crun" },
      "/early.slice/early-infra.slice/etcd.service/container",
    ],
  ])("%s", (_, launch, changed, path) => {
    expect(cgroupsPathOf(launch, { ...places, ...changed }, directives)).toBe(path);
  });
});

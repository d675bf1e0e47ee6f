import type { FaultBed } from "./fault-bed.ts";
import { inRegistry } from "./host.ts";

export interface Fault {
  readonly name: string;
  /** Codes with the units they are of; what the last of the causes says. */
  readonly told: readonly string[];
  readonly text: RegExp;
  readonly next: RegExp | string;
  readonly status?: number;
  inject(bed: FaultBed): Promise<unknown>;
}

/** Each is put on a host on which nothing of its name is. */
export const faults: readonly Fault[] = [
  {
    name: "nobody",
    told: ["NOT_INSTALLED nobody"],
    text: /no such container/,
    next: "keelson list",
    status: 3,
    inject: async () => {},
  },
  {
    name: "wants",
    told: ["VALUE_MISSING wants"],
    text: /wants a value for SCRIPT/,
    next: /^keelson install --system --start --set SCRIPT=VALUE \S+\/wants/,
    status: 3,
    inject: ({ host }) => host.keelson("pull", "--tls-verify=false", inRegistry("wants")),
  },
  {
    name: "off",
    told: ["DISABLED off.service"],
    text: /nothing starts it at boot/,
    next: "systemctl enable --now off.service",
    inject: ({ installed }) => installed("off", "--no-enable"),
  },
  {
    name: "resting",
    told: ["STOPPED resting.service"],
    text: /has not been started/,
    next: "systemctl start resting.service",
    inject: ({ installed }) => installed("resting"),
  },
  {
    name: "masked",
    told: ["MASKED masked.service"],
    text: /is masked/,
    next: "keelson verify --repair masked",
    async inject({ installed, mask }) {
      await installed("masked");
      await mask("masked");
    },
  },
  {
    name: "lost",
    told: ["UNIT_MISSING lost.service"],
    text: /no such unit/,
    next: "keelson verify --repair lost",
    async inject({ host, installed }) {
      await installed("lost", "--no-enable");
      await host.machine.ok(["rm", "/etc/systemd/system/lost.service"]);
      await host.systemctl("daemon-reload");
    },
  },
  {
    name: "odd",
    told: ["UNIT_INVALID odd.service"],
    text: /cannot use its unit: .*odd\.service/,
    next: "systemd-analyze verify odd.service",
    async inject({ host, installed, dropIn }) {
      await installed("odd");
      await dropIn("odd", "[Service]\nExecStart=");
      await host.systemctl("daemon-reload");
    },
  },
  {
    name: "stale",
    told: ["RELOAD stale.service", "RUNTIME stale.service"],
    text: /is not in the image$/,
    next: "keelson logs stale",
    async inject({ host, installed }) {
      await installed("stale", "--set", "PROGRAM=/bin/nothing");
      await host.machine.run(["systemctl", "start", "stale"]);
      await host.machine.ok(["tee", "-a", "/etc/systemd/system/stale.service"], { input: "# another\n" });
    },
  },
  {
    name: "picky",
    told: ["CONDITION picky.service"],
    text: /ConditionPathExists=\/etc\/nothing did not hold/,
    next: "systemctl start picky.service",
    async inject({ installed, dropIn, start }) {
      await dropIn("picky", "[Unit]\nConditionPathExists=/etc/nothing\nConditionPathExists=!/etc/nowhere");
      await installed("picky");
      await start("picky");
    },
  },
  {
    name: "unbound",
    told: ["BIND_SOURCE unbound.service"],
    text: /^\/srv\/missing, which is mounted into it, is not there$/,
    next: "systemd-tmpfiles --create /etc/tmpfiles.d/keelson-unbound.conf",
    async inject({ host, installed, start }) {
      await host.put("/etc/keelson/unbound.d/data.conf", "[mounts]\n/data = /srv/missing\n");
      await installed("unbound");
      await host.machine.ok(["rm", "-rf", "/srv/missing"]);
      await start("unbound");
    },
  },
  {
    name: "hollow",
    told: ["RUNTIME hollow.service"],
    text: /its program \/bin\/nothing is not in the image$/,
    next: "keelson logs hollow",
    async inject({ installed, start }) {
      await installed("hollow", "--set", "PROGRAM=/bin/nothing");
      await start("hollow");
    },
  },
  {
    name: "bare",
    told: ["RUNTIME_MISSING bare.service"],
    text: /\/opt\/runc.* is not there/,
    next: "keelson info bare",
    async inject({ host, installed, start }) {
      await host.machine.ok(["cp", "/usr/sbin/runc", "/opt/runc"]);
      await installed("bare", "--runtime", "/opt/runc");
      await host.machine.ok(["rm", "/opt/runc"]);
      await start("bare");
    },
  },
  {
    name: "fallen",
    told: ["EXITED fallen.service"],
    text: /ended with status 3; the last it said: cannot open the database$/,
    next: "keelson logs fallen",
    async inject({ installed, start }) {
      await installed("fallen", "--set", "SCRIPT=sleep 0.5; echo cannot open the database >&2; exit 3");
      await start("fallen");
    },
  },
  {
    name: "shot",
    told: ["SIGNAL shot.service"],
    text: /was killed by SIGKILL$/,
    next: "keelson logs shot",
    async inject({ host, installed }) {
      await installed("shot", "--start");
      await host.systemctl("kill", "--signal=KILL", "shot");
    },
  },
  {
    name: "greedy",
    told: ["OOM greedy.service"],
    text: /memory ran out, of which its service may have 67108864 bytes/,
    next: "systemctl set-property greedy.service MemoryMax=134217728",
    async inject({ host, installed, dropIn }) {
      await dropIn("greedy", "[Service]\nMemoryMax=64M");
      await installed("greedy", "--start");
      const { ControlGroup: group } = await host.show("greedy.service", "ControlGroup");
      // As systemd-oomd does it; the machines here have no memory controller.
      const mark = ["setfattr", "-n", "user.oomd_ooms", "-v", "1", `/sys/fs/cgroup${group}`];
      await host.machine.ok(mark);
      await host.systemctl("kill", "--signal=KILL", "greedy");
    },
  },
  {
    name: "slow",
    told: ["TIMEOUT slow.service"],
    text: /took too long/,
    next: "keelson logs slow",
    async inject({ installed, dropIn, start }) {
      await dropIn("slow", "[Service]\nExecStartPre=/bin/sleep 1000\nTimeoutStartSec=300ms");
      await installed("slow");
      await start("slow");
    },
  },
  {
    name: "tired",
    told: ["START_LIMIT tired.service", "EXITED tired.service"],
    text: /ended with status 5/,
    next: "keelson logs tired",
    async inject({ installed, dropIn, start }) {
      const limits = "[Unit]\nStartLimitIntervalSec=1h\nStartLimitBurst=2\n[Service]\nRestart=always\nRestartSec=10ms";
      await dropIn("tired", limits);
      await installed("tired", "--set", "SCRIPT=sleep 0.5; exit 5");
      await start("tired");
    },
  },
  {
    name: "sick",
    told: ["UNHEALTHY sick.service"],
    text: /ended with 4: no route to the store$/,
    next: "keelson logs sick",
    inject: ({ host }) => host.install("sick", "--start"),
  },
  {
    name: "upper",
    told: ["WAITING upper.service", "WAITING middle.service", "STARTING lowest.service"],
    text: /is starting \(start-pre\)/,
    next: "keelson logs -f lowest",
    async inject({ host, installed, dropIn, start }) {
      await dropIn("lowest", "[Service]\nExecStartPre=/bin/sleep 1000\nTimeoutStartSec=infinity");
      await installed("lowest");
      await host.install("middle");
      await host.install("upper");
      await start("upper");
    },
  },
  {
    name: "needy",
    told: ["DEPENDENCY needy.service", "MASKED locked.service"],
    text: /is masked/,
    next: "keelson verify --repair locked",
    async inject({ host, installed, mask }) {
      await installed("locked");
      await host.install("needy");
      await mask("locked");
    },
  },
  {
    name: "garbled",
    told: ["BROKEN garbled"],
    text: /cannot be read/,
    next: "keelson verify garbled",
    async inject({ host, installed }) {
      await installed("garbled");
      await host.put("/var/lib/keelson/deployments/garbled/1/deployment.json", "{");
    },
  },
];

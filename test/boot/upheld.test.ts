import { afterAll, beforeAll, expect, it } from "vitest";
import { buildImage, type TestImage } from "../bed/images.ts";
import { bootHost, type Host, inRegistry } from "./host.ts";
import { base, ends } from "./payloads.ts";

let images: Readonly<Record<string, TestImage>>;
let host: Host;

/**
 * With so many files on the host that it takes a while to go over from one to the other. One that is stopped before its shell
 * has its traps does not end by itself.
 */
function version(number: string): Promise<TestImage> {
  const files = Array.from({ length: 150 }, (_, index) => [`exports/hostfs/etc/many/${index}`, `${number}\n`] as const);
  const service =
    "[Service]\nExecStart=$EXEC_START\nExecStop=$EXEC_STOP\nTimeoutStopSec=5\n[Install]\nWantedBy=multi-user.target\n";
  return buildImage({
    layers: [{ ...base(ends), ...Object.fromEntries(files), "exports/service.template": service }],
    config: { entrypoint: ["/bin/busybox", "sh", "/run.sh"], environment: ["PATH=/bin"] },
  });
}

beforeAll(async () => {
  const [up1, up2] = await Promise.all([version("1"), version("2")]);
  images = { up1, up2 };
  host = await bootHost(images);
});
afterAll(async () => {
  await host?.machine.stop();
  await Promise.all(Object.values(images ?? {}).map((image) => image.remove()));
});

/** The generation whose tree the main process of the service has for its root. */
async function running(): Promise<number> {
  const { MainPID: pid } = await host.show("svc.service", "MainPID");
  const mounts = await host.machine.ok(["cat", `/proc/${pid}/mountinfo`]);
  return Number(/\/svc\/([0-9]+)\/rootfs \/ /.exec(mounts)?.[1]);
}

it("a service that systemd starts again the moment it stops, as another keeps it up, runs what it was switched to", async () => {
  await host.install("up1", "--name", "svc", "--start");
  const keeper = "[Unit]\nUpholds=svc.service\n[Service]\nExecStart=/bin/sleep infinity\n";
  await host.put("/etc/systemd/system/keeper.service", keeper);
  await host.systemctl("daemon-reload");
  await host.systemctl("start", "keeper");
  const soak = ["--soak", "1s", "--tls-verify=false"];
  const update = await host.keelson("update", "svc", "--allow-widen", "--rebase", inRegistry("up2"), ...soak);
  expect(update.status, update.stderr).toBe(0);
  expect(await running()).toBe(2);
  expect((await host.keelson("rollback", "svc", ...soak.slice(0, 2))).status).toBe(0);
  expect(await running()).toBe(1);
  expect((await host.show("keeper.service", "ActiveState")).ActiveState).toBe("active");
});

import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { connectBus } from "../../src/host/systemd-bus.ts";

let home: string;
const before = process.env.DBUS_SYSTEM_BUS_ADDRESS;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "keelson-bus-"));
  process.env.DBUS_SYSTEM_BUS_ADDRESS = `unix:path=${home}/bus`;
});
afterEach(() => {
  rmSync(home, { recursive: true });
  if (before === undefined) delete process.env.DBUS_SYSTEM_BUS_ADDRESS;
  else process.env.DBUS_SYSTEM_BUS_ADDRESS = before;
});

describe("connectBus", () => {
  it("says what to install when there is no system bus", async () => {
    await expect(connectBus()).rejects.toMatchObject({
      code: "E_SYSTEMD",
      message: expect.stringContaining("ENOENT"),
      hint: expect.stringContaining("dbus"),
    });
  });

  it("says so when the bus closes the connection at once", async () => {
    const server = createServer((socket) => socket.resume().end());
    await new Promise<void>((resolve) => server.listen(`${home}/bus`, resolve));
    await expect(connectBus()).rejects.toMatchObject({ code: "E_SYSTEMD" });
    await new Promise((resolve) => server.close(resolve));
  });

  it("says so when the address makes no sense", async () => {
    process.env.DBUS_SYSTEM_BUS_ADDRESS = "pigeon:loft=3";
    await expect(connectBus()).rejects.toMatchObject({ code: "E_SYSTEMD" });
  });
});

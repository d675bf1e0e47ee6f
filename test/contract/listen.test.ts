import { expect, it } from "vitest";
import { parseListen } from "../../src/contract/listen.ts";
import { errorOf } from "./contracts.ts";

it.each(["80", "127.0.0.1:80", "[::1]:8080", "/run/x.sock", "@abstract/name"])("--listen takes %s", (address) => {
  expect(parseListen([address])).toEqual([address]);
});

it.each(["", "host:80", "run/x", "/run/%i", "80\nExecStartPre=/bin/rm", "/a b", "vsock:2:80"])(
  "--listen refuses %j",
  (address) => {
    expect(errorOf(() => parseListen(["80", address])).code).toBe("E_USAGE");
  },
);

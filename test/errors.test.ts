import { expect, it } from "vitest";
import { inUserWords } from "../src/errors.ts";

it.each([
  ["start it with: systemctl start box", "start it with: systemctl --user start box"],
  ["systemctl --user start box", "systemctl --user start box"],
  ["journalctl -u box shows more.", "journalctl --user -u box shows more."],
  ["systemd-tmpfiles --create /x", "systemd-tmpfiles --user --create /x"],
  ["keelson list and keelson images show it", "keelson --user list and keelson --user images show it"],
  ["keelson listens to nobody", "keelson listens to nobody"],
  ["/opt/keelson list, my-systemctl start", "/opt/keelson list, my-systemctl start"],
  ["+ExecStart=systemctl start box", "+ExecStart=systemctl start box"],
  [" ExecStart=systemctl start box", " ExecStart=systemctl start box"],
])("78: a user is told %j as %j", (text, expected) => {
  expect(inUserWords(text)).toBe(expected);
});

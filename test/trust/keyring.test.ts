import { describe, expect, it } from "vitest";
import { openMessage } from "../../src/source/gpgv.ts";
import { judgeStatus } from "../../src/trust/gpg-status.ts";
import { readKeyring } from "../../src/trust/keyring.ts";
import { openGpg } from "../bed/gpg.ts";

const gpg = openGpg();
const one = gpg.makeKey("one@example.com");
const two = gpg.makeKey("two@example.com");
const longAgo = ["--faked-system-time", "20200101T000000"];
const old = gpg.makeKey("old@example.com", "never", ...longAgo);
const expired = gpg.makeKey("expired@example.com", "1y", ...longAgo);

describe("a keyring", () => {
  it("tells the fingerprints of its keys, binary or armored", () => {
    const binary = gpg.publicKey(one);
    const armored = gpg.publicKey(two, "--armor");
    const keyring = readKeyring([binary, armored]);
    expect(keyring.fingerprints).toEqual([one, two]);
    expect(Buffer.from(keyring.bytes)).toEqual(Buffer.concat([binary, gpg.publicKey(two)]));
  });

  it("may be armored with headers, with carriage returns, and in several blocks", () => {
    const block = (key: string): string =>
      gpg.publicKey(key, "--armor").toString().replace("BLOCK-----\n", "BLOCK-----\nComment: mine\n");
    const both = Buffer.from(`${block(one)}some text\n${block(two)}`.replaceAll("\n", "\r\n"));
    expect(readKeyring([both]).fingerprints).toEqual([one, two]);
  });

  it.each([
    ["empty", Buffer.alloc(0)],
    ["text", Buffer.from("hello")],
    ["cut off", gpg.publicKey(one).subarray(0, 30)],
    ["a signature", gpg.sign(one, "hi", "--compress-algo", "none")],
  ])("that is %s is refused", (_, bytes) => {
    expect(() => readKeyring([bytes])).toThrow(SyntaxError);
  });
});

describe("a message", () => {
  const keyring = readKeyring([one, old, expired].map((key) => gpg.publicKey(key)));

  it.each([
    ["compressed", []],
    ["not compressed", ["--compress-algo", "none"]],
    ["with another hash", ["--digest-algo", "SHA512"]],
  ])("%s, signed by a key of the keyring gives its text", async (_, options) => {
    expect(await openMessage(gpg.sign(one, "hello", ...options), keyring)).toEqual({
      by: one,
      payload: Buffer.from("hello"),
    });
  });

  it.each<[string, Buffer, RegExp]>([
    ["by another key", gpg.sign(two, "hello"), new RegExp(`not one of the policy's \\(${two}\\)`)],
    ["by two keys", gpg.sign([one, two], "hello"), /not one of the policy's/],
    ["by two keys of the keyring", gpg.sign([one, old], "hello"), /not one signature/],
    ["that has expired", gpg.sign(old, "hello", ...longAgo, "--default-sig-expire", "1d"), /the signature has expired/],
    ["by a key that has expired", gpg.sign(expired, "hello", ...longAgo), /the key has expired/],
    ["without its text", gpg.sign(one, "hello", "--detach-sign"), /not one signature over one text/],
    ["that is no message", Buffer.from("hello"), /not an OpenPGP message/],
    ["that is empty", Buffer.alloc(0), /not an OpenPGP message|not one signature/],
  ])("%s does not count", async (_, message, why) => {
    expect(await openMessage(message, keyring)).toEqual({ why: expect.stringMatching(why) });
  });

  it("that was changed does not count", async () => {
    const message = gpg.sign(one, "hello", "--compress-algo", "none");
    const at = message.indexOf("hello");
    message[at] = 0x4a;
    expect(await openMessage(message, keyring)).toEqual({ why: "the payload was changed after it was signed" });
  });

  it("with a text beside the signed one does not count", async () => {
    const message = gpg.sign(one, "hello", "--compress-algo", "none");
    const literal = Buffer.from([0xcb, 0x0a, 0x62, 0x00, 0, 0, 0, 0, ...Buffer.from("evil")]);
    for (const both of [Buffer.concat([literal, message]), Buffer.concat([message, literal])])
      expect(await openMessage(both, keyring)).toHaveProperty("why");
  });

  it("is not believed on a status that has two signatures or none", () => {
    const good = ["NEWSIG", "GOODSIG X me", `VALIDSIG ${one} 2026-01-01 1 0 4 0 22 8 00 ${one}`, "PLAINTEXT 62 1 x"];
    const status = (words: readonly string[]): readonly string[] => words.map((word) => `[GNUPG:] ${word}`);
    expect(judgeStatus(status(good), [one])).toEqual({ by: one });
    expect(judgeStatus(status(good), [two])).toHaveProperty("why");
    for (const [index, word] of good.entries()) {
      expect(judgeStatus(status(good.toSpliced(index, 1)), [one]), word).toHaveProperty("why");
      expect(judgeStatus(status([...good, word]), [one]), word).toHaveProperty("why");
    }
  });
});

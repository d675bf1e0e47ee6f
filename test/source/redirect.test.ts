import { describe, expect, it } from "vitest";
import { redirectTarget } from "../../src/source/redirect.ts";

const registry = "https://registry.example.com/v2/a/blobs/x";

describe("a redirect", () => {
  it.each([
    [registry, "https://cdn.example.net/y?sig=1", "https://cdn.example.net/y?sig=1"],
    [registry, "/other", "https://registry.example.com/other"],
    [registry, "https://10.1.2.3/y", "https://10.1.2.3/y"],
    ["http://127.0.0.1:5000/x", "http://localhost:5001/y", "http://localhost:5001/y"],
    ["http://registry.lan/x", "https://registry.lan/x", "https://registry.lan/x"],
  ])("from %s to %s is followed", (from, location, target) => {
    expect(redirectTarget(new URL(from), location).href).toBe(target);
  });

  it.each([
    "http://cdn.example.net/y",
    "file:///etc/passwd",
    "https://user:password@cdn.example.net/",
    "https://169.254.169.254/latest/meta-data",
    "https://localhost/",
    "https://x.localhost/",
    "https://127.1/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://0.0.0.0/",
    "https://",
  ])("to %s is refused", (location) => {
    expect(() => redirectTarget(new URL(registry), location)).toThrow(expect.objectContaining({ code: "E_REGISTRY" }));
  });
});

import { BlockList, isIP } from "node:net";
import { KeelsonError, printable } from "../errors.ts";

/** Addresses that reach the machine itself or its cloud's metadata service, which no public registry has a reason to name. */
const inner = new BlockList();
inner.addSubnet("0.0.0.0", 8, "ipv4");
inner.addSubnet("127.0.0.0", 8, "ipv4");
inner.addSubnet("169.254.0.0", 16, "ipv4");
inner.addAddress("::", "ipv6");
inner.addAddress("::1", "ipv6");
inner.addSubnet("fe80::", 10, "ipv6");

/** Where a response from `from` sends the request. Throws E_REGISTRY for a place that a registry may not send to. */
export function redirectTarget(from: URL, location: string): URL {
  const target = URL.parse(location, from);
  if (target === null) throw refused(from, "a redirect that is not a URL");
  const where = target.host;
  if (target.protocol !== "http:" && target.protocol !== "https:")
    throw refused(from, `a redirect to ${target.protocol}`);
  if (from.protocol === "https:" && target.protocol === "http:") {
    throw refused(from, `a redirect from HTTPS to plain HTTP at ${where}`);
  }
  if (target.username !== "" || target.password !== "") throw refused(from, `a redirect with a password to ${where}`);
  if (isInner(target.hostname) && !isInner(from.hostname)) {
    throw refused(from, `a redirect to ${where}, an address inside this machine or its network`);
  }
  return target;
}

/** The failure for a chain of redirects that does not end. */
export function tooManyRedirects(from: URL, limit: number): KeelsonError {
  return refused(from, `more than ${limit} redirects`, " or raise redirects in keelson.conf.");
}

function isInner(hostname: string): boolean {
  if (hostname === "localhost" || hostname.endsWith(".localhost")) return true;
  const address = hostname.replace(/^\[|\]$/g, "");
  const family = isIP(address);
  return family !== 0 && inner.check(address, family === 4 ? "ipv4" : "ipv6");
}

function refused(from: URL, what: string, other = "."): KeelsonError {
  return new KeelsonError("E_REGISTRY", `${printable(from.host)} answered with ${printable(what)}`, {
    hint: `keelson does not follow it; ask the registry's operator how its blobs are stored${other}`,
  });
}

// An import would read every export of theirs, and those of Node's fetch are a large library that nothing here needs.
export const http = process.getBuiltinModule("node:http");
export const https = process.getBuiltinModule("node:https");

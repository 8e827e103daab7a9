import assert from "node:assert/strict";
import { test } from "node:test";
import { SseParser, StreamTooLong } from "../src/live/sse";

const STREAM =
  'retry: 1500\n: hello\n\nevent: alarms\nid: e-7\ndata: [{"id":"1"},\ndata: {"id":"2"}]\n\nevent: live\ndata: {}\n\nevent: hb\nid: e-8\ndata: 1772366400000\n\n';

const WANTED = [
  { event: "alarms", id: "e-7", data: '[{"id":"1"},\n{"id":"2"}]' },
  { event: "live", id: "e-7", data: "{}" },
  { event: "hb", id: "e-8", data: "1772366400000" },
];

function parse(pieces: string[]) {
  const parser = new SseParser();
  return { events: pieces.flatMap((piece) => parser.push(piece)), parser };
}

test("events are the same wherever the stream is cut", () => {
  for (const text of [STREAM, STREAM.replaceAll("\n", "\r\n"), STREAM.replaceAll("\n", "\r")]) {
    for (let cut = 0; cut <= text.length; cut += 1) {
      const { events } = parse([text.slice(0, cut), text.slice(cut), "\n"]);
      assert.deepEqual(events, WANTED, `cut at ${cut}`);
    }
    assert.deepEqual(parse([...text, "\n"]).events, WANTED, "one character at a time");
  }
});

test("retry is read, comments and unknown fields are not", () => {
  const { events, parser } = parse(["retry: 1500\nretry: soon\nwhat: ever\n: comment\n\n"]);
  assert.equal(parser.retryMs, 1500);
  assert.deepEqual(events, []);
});

test("a frame without data is no frame, and an id with a NUL is no id", () => {
  assert.deepEqual(parse(["event: live\n\n", "id: e-1\ndata: a\n\n", "id: e\0-2\ndata: b\n\n"]).events, [
    { event: "message", id: "e-1", data: "a" },
    { event: "message", id: "e-1", data: "b" },
  ]);
});

test("a frame that is not cut off is an error, not a full memory", () => {
  const parser = new SseParser();
  assert.throws(() => {
    for (let n = 0; n < 20; n += 1) parser.push(`data: ${"x".repeat(1024 * 1024)}\n`);
  }, StreamTooLong);
});

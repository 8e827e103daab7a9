import assert from "node:assert/strict";
import { test } from "node:test";
import { momentOf, namesPicture } from "../src/alarms/evidence";

test("a picture that the evidence names, and when it was taken", () => {
  const evidence = "picture:cam-1/20260921T102741250Z-black.jpg";
  assert.ok(namesPicture(evidence));
  assert.equal(momentOf(evidence), "2026-09-21T10:27:41.250Z");
  assert.equal(momentOf("picture:cam-1/20269921T102741250Z-black.jpg"), null);
  assert.equal(momentOf("picture:cam-1/other.jpg"), null);
  for (const none of ["", "raw:00FF", "picture:", `picture:${"a".repeat(200)}`]) {
    assert.ok(!namesPicture(none), none);
    assert.equal(momentOf(none), null);
  }
});

/* Draws the charts from the columns that the page carries. Nothing is loaded, nothing is sent. */
(function () {
  "use strict";
  var NULL = -2147483648;
  var LEFT = 52, RIGHT = 118, RIGHT_NARROW = 10, NARROW = 700;
  var FONT = '11.5px -apple-system,"Segoe UI",Roboto,"Noto Sans","Liberation Sans",Arial,system-ui,sans-serif';
  var page = JSON.parse(document.getElementById("data").textContent);
  var charts = [];

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim() || "#888";
  }

  function two(n) { return (n < 10 ? "0" : "") + n; }

  function clock(s, fine) {
    var tenths = Math.round(Math.abs(s) * 10), whole = fine ? Math.floor(tenths / 10) : Math.round(Math.abs(s));
    var sign = s < 0 && (fine ? tenths : whole) ? "\u2212" : "";
    var hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    var text = hours ? hours + ":" + two(minutes) + ":" + two(whole % 60) : minutes + ":" + two(whole % 60);
    return sign + text + (fine ? "." + (tenths % 10) : "");
  }

  function short(v) {
    var size = Math.abs(v);
    return (size >= 1 || v === 0 ? v.toFixed(1) : size >= 0.1 ? v.toFixed(2) : v.toFixed(3)).replace("-", "\u2212");
  }

  /* ---- the columns: base64 of gzip of byte-shuffled int32 ---- */

  function unpack() {
    var text = document.getElementById("columns").textContent.trim();
    if (!text || typeof DecompressionStream === "undefined") return Promise.reject(new Error("no decoder"));
    var packed = Uint8Array.from(atob(text), function (c) { return c.charCodeAt(0); });
    var stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).arrayBuffer().then(function (buffer) {
      var bytes = new Uint8Array(buffer), at = 0;
      return page.columns.map(function (column) {
        var n = column.n, values = new Float64Array(n), sum = 0;
        for (var i = 0; i < n; i++) {
          var v = bytes[at + i] | (bytes[at + n + i] << 8) | (bytes[at + 2 * n + i] << 16) | (bytes[at + 3 * n + i] << 24);
          if (column.rising) { sum += v; values[i] = sum * column.step; }
          else values[i] = v === NULL ? NaN : v * column.step;
        }
        at += 4 * n;
        return values;
      });
    });
  }

  /* ---- buckets: over two frames a pixel, the median and the span from least to most ---- */

  function bounds(x, from, to) {
    var a = 0, b = x.length;
    while (a < b && x[a] < from) a++;
    while (b > a && x[b - 1] > to) b--;
    return [a, b];
  }

  function median(list) {
    if (!list.length) return NaN;
    list.sort(function (a, b) { return a - b; });
    var m = list.length >> 1;
    return list.length % 2 ? list[m] : (list[m - 1] + list[m]) / 2;
  }

  function bucketed(x, columns, from, to, points) {
    var range = bounds(x, from, to), n = range[1] - range[0], size = Math.max(1, Math.ceil(n / points));
    var count = Math.ceil(n / size), out = { size: size, x: [], median: [], least: [], most: [] };
    columns.forEach(function () { out.median.push([]); out.least.push([]); out.most.push([]); });
    for (var k = 0; k < count; k++) {
      var a = range[0] + k * size, b = Math.min(a + size, range[1]);
      out.x.push((x[a] + x[b - 1]) / 2);
      for (var c = 0; c < columns.length; c++) {
        var seen = [];
        for (var i = a; i < b; i++) if (columns[c][i] === columns[c][i]) seen.push(columns[c][i]);
        out.median[c].push(median(seen));
        out.least[c].push(seen.length ? seen[0] : NaN);
        out.most[c].push(seen.length ? seen[seen.length - 1] : NaN);
      }
    }
    return out;
  }

  function numbers(list) { return Float64Array.from(list, function (v) { return v === null || v === undefined ? NaN : v; }); }

  function nulls(list) { return list.map(function (v) { return v === v ? v : null; }); }

  /* ---- painting ---- */

  function clipped(u, paint) {
    var c = u.ctx, r = devicePixelRatio;
    c.save();
    c.beginPath();
    c.rect(u.bbox.left, u.bbox.top - 12 * r, u.bbox.width, u.bbox.height + 12 * r);
    c.clip();
    paint(c, r);
    c.restore();
  }

  function word(u, text, x, y, name, weight, align) {
    var c = u.ctx, r = devicePixelRatio;
    c.save();
    c.font = (weight ? weight + " " : "") + FONT.replace("11.5px", 11.5 * r + "px");
    c.fillStyle = colour(name);
    c.textAlign = align || "left";
    c.textBaseline = "middle";
    c.strokeStyle = colour("bg");
    c.lineWidth = 3 * r;
    c.lineJoin = "round";
    c.strokeText(text, x, y);
    c.fillText(text, x, y);
    c.restore();
  }

  function level(u, y, text, right, highest) {
    if (y === null || y === undefined) return;
    clipped(u, function (c, r) {
      var at = Math.round(u.valToPos(y, "y", true)) + 0.5;
      c.strokeStyle = colour("ink");
      c.lineWidth = 1.3 * r;
      c.setLineDash([1 * r, 3 * r]);
      c.lineCap = "round";
      c.beginPath(); c.moveTo(u.bbox.left, at); c.lineTo(u.bbox.left + u.bbox.width, at); c.stroke();
    });
    if (right) word(u, text, u.bbox.left + u.bbox.width + 6 * devicePixelRatio, Math.max(highest, u.valToPos(y, "y", true)), "ink");
    else if (u.chart && u.chart.spec.mini) word(u, text, u.bbox.left, u.valToPos(y, "y", true) + (u.valToPos(y, "y") > 12 ? -8 : 9) * devicePixelRatio, "ink");
    else word(u, text, u.bbox.left + u.bbox.width, u.valToPos(y, "y", true) - 8 * devicePixelRatio, "ink", "", "right");
  }

  function warmUp(u) {
    if (u.scales.x.min >= 0) return;
    clipped(u, function (c, r) {
      var end = Math.min(u.valToPos(0, "x", true), u.bbox.left + u.bbox.width);
      if (end <= u.bbox.left) return;
      c.globalAlpha = 0.09;
      c.fillStyle = colour("ink3");
      c.fillRect(u.bbox.left, u.bbox.top, end - u.bbox.left, u.bbox.height);
      c.globalAlpha = 1;
      if (end - u.bbox.left > 60 * r && u.height > 180) word(u, "warm-up", u.bbox.left + 6 * r, u.bbox.top + u.bbox.height - 9 * r, "ink3");
    });
  }

  function floor(u) {
    var c = u.ctx, r = devicePixelRatio, y = Math.round(u.bbox.top + u.bbox.height);
    c.fillStyle = colour("ink3");
    c.fillRect(u.bbox.left, y, u.bbox.width, Math.max(1, Math.round(r)));
  }

  function hatch(kind) {
    var r = devicePixelRatio, tile = document.createElement("canvas"), size = Math.round((kind === "queue" ? 5 : 4) * r);
    tile.width = tile.height = size;
    var c = tile.getContext("2d");
    c.fillStyle = c.strokeStyle = colour("ink3");
    c.lineWidth = r;
    if (kind === "queue") {
      c.beginPath();
      c.moveTo(-1, size + 1); c.lineTo(size + 1, -1);
      c.moveTo(-1, 1); c.lineTo(1, -1);
      c.moveTo(size - 1, size + 1); c.lineTo(size + 1, size - 1);
      c.stroke();
    } else { c.beginPath(); c.arc(size / 2, size / 2, 0.8 * r, 0, 7); c.fill(); }
    return c.createPattern(tile, "repeat");
  }

  /* ---- options that all charts share ---- */

  function narrow(el) { return el.clientWidth < NARROW - 60; }

  function options(el, spec, series, paint) {
    var right = narrow(el) || spec.pair ? RIGHT_NARROW : RIGHT;
    var time = spec.kind !== "lines" || spec.time;
    if (spec.mini) return small(el, spec, series, paint);
    return {
      width: el.clientWidth,
      height: +(el.className.match(/h-(\d+)/) || [0, 240])[1],
      padding: [24, right, 0, 0],
      legend: { show: false },
      cursor: {
        y: false,
        points: { size: 6, fill: function (u, i) { return colour(series[i].ink || "ink"); } },
        drag: { x: true, y: false, setScale: false },
        sync: time ? { key: "time" } : undefined,
        bind: { dblclick: function () { return function () { zoom(time ? null : false); }; } }
      },
      scales: { x: { time: false, range: function (u, min, max) { return [min, max]; } }, y: { range: spec.range } },
      axes: [
        {
          stroke: function () { return colour("ink2"); }, font: FONT, size: 26, gap: 4,
          grid: { show: false }, ticks: { stroke: function () { return colour("ink3"); }, width: 1, size: 4 },
          space: time ? 70 : 56,
          incrs: time ? [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200] : undefined,
          values: function (u, splits) {
            var fine = splits.length > 1 && splits[1] - splits[0] < 1;
            return splits.map(function (v) { return time ? clock(v, fine) : spec.abscissa === "block" && v % 1 ? "" : String(+v.toFixed(3)); });
          }
        },
        {
          stroke: function () { return colour("ink2"); }, font: FONT, size: LEFT, gap: 6, space: 34,
          grid: { stroke: function () { return colour("grid"); }, width: 1 }, ticks: { show: false },
          values: function (u, splits) { return splits.map(function (v) { return String(+v.toFixed(3)).replace("-", "\u2212"); }); }
        }
      ],
      series: [{}].concat(series.slice(1)),
      hooks: {
        drawClear: [function (u) { if (time) warmUp(u); }],
        draw: [function (u) {
          paint(u);
          var unit = spec.unit === undefined ? "ms" : spec.unit, long = unit.length > 5;
          word(u, unit, (long ? 0 : LEFT - 6) * devicePixelRatio, 8 * devicePixelRatio, "ink3", "", long ? "left" : "right");
          floor(u);
        }],
        setSelect: [function (u) {
          if (u.select.width < 4) return;
          var from = u.posToVal(u.select.left, "x"), to = u.posToVal(u.select.left + u.select.width, "x");
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          if (time) zoom([from, to]);
        }],
        setCursor: [function (u) { read(u); }]
      }
    };
  }

  /* the small chart above the regime strip: no axes of its own, one edge with the strip */
  function small(el, spec, series, paint) {
    return {
      width: el.clientWidth, height: 112, padding: [20, 0, 0, 0], legend: { show: false },
      cursor: {
        y: false, points: { show: false }, drag: { x: true, y: false, setScale: false },
        sync: { key: "time" }, bind: { dblclick: function () { return function () { zoom(null); }; } }
      },
      scales: { x: { time: false, range: function (u, min, max) { return [min, max]; } }, y: { range: spec.range } },
      axes: [{ show: false }, { show: false }],
      series: [{}].concat(series.slice(1)),
      hooks: {
        draw: [function (u) {
          paint(u);
          word(u, "response latency, 0 to " + short(spec.top) + " ms", 0, 8 * devicePixelRatio, "ink2");
        }],
        setSelect: [function (u) {
          if (u.select.width < 4) return;
          zoom([u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")]);
          u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
        }],
        setCursor: [function (u) { read(u); }]
      }
    };
  }

  /* ---- latency of every frame ---- */

  function latencyChart(el, spec, columns) {
    var t = columns[spec.columns.t], y = columns[spec.columns.latency], fate = columns[spec.columns.fate];
    var number = columns[spec.columns.number], D = spec.deadline, state = {}, shown = ["on time", "late"];
    var isLost = Array.prototype.map.call(fate, function (f) { return shown.indexOf(page.fates[f]) < 0; });
    spec.range = function () { return [0, spec.top]; };

    function data(range) {
      var b = bucketed(t, [y], range[0], range[1], Math.max(60, (el.clientWidth - LEFT - RIGHT) * 2));
      state.size = b.size;
      if (b.size > 1) b = bucketed(t, [y], range[0], range[1], Math.max(60, (el.clientWidth - LEFT - RIGHT) / 2));
      state.b = b; state.size = b.size; state.from = bounds(t, range[0], range[1]);
      if (!spec.mini) note(el, b.size > 1 ? "Bucketed: " + b.size + " frames a bar, line median, bar least to most." : "One dot a frame.");
      return [b.x, nulls(b.median[0])];
    }

    function paint(u) {
      clipped(u, function (c, r) {
        var b = state.b, top = spec.top, above = 0, i, x;
        if (b.size > 1) {
          c.lineWidth = r;
          for (i = 0; i < b.x.length; i++) {
            if (b.most[0][i] !== b.most[0][i]) continue;
            x = Math.round(u.valToPos(b.x[i], "x", true)) + 0.5;
            if (!D || b.least[0][i] < D) stroke(c, u, x, b.least[0][i], Math.min(b.most[0][i], D || Infinity, top), "ink3");
            if (D && b.most[0][i] > D) stroke(c, u, x, Math.max(D, b.least[0][i]), Math.min(b.most[0][i], top), "badf");
          }
          c.strokeStyle = colour("ink"); c.lineWidth = 1.3 * r; c.beginPath();
          for (i = 0; i < b.x.length; i++) if (b.median[0][i] === b.median[0][i]) c.lineTo(u.valToPos(b.x[i], "x", true), u.valToPos(Math.min(b.median[0][i], top), "y", true));
          c.stroke();
        } else {
          var size = Math.max(1.1, Math.min(2.4, u.bbox.width / r / (b.x.length + 1) * 0.9)) * r;
          for (i = 0; i < b.x.length; i++) {
            var v = b.median[0][i];
            if (v !== v) continue;
            x = u.valToPos(b.x[i], "x", true);
            c.fillStyle = colour(D && v > D ? "badf" : "ink");
            c.beginPath();
            if (v > top) triangle(c, x, u.bbox.top + 9 * r, 4 * r);
            else c.arc(x, u.valToPos(v, "y", true), D && v > D ? Math.max(size, 1.8 * r) : size, 0, 7);
            c.fill();
          }
        }
        c.strokeStyle = colour("bad"); c.lineWidth = r; c.beginPath();
        for (i = state.from[0]; i < state.from[1]; i++) {
          if (y[i] > top) above++;
          if (!isLost[i]) continue;
          x = Math.round(u.valToPos(t[i], "x", true)) + 0.5;
          c.moveTo(x, u.bbox.top - 8 * r); c.lineTo(x, u.bbox.top + 3 * r);
        }
        c.stroke();
        state.above = above;
      });
      var wide = u.width > NARROW - 60 && !spec.mini, r = devicePixelRatio;
      if (D) level(u, D, "deadline " + D + " ms", wide, u.bbox.top + (state.above ? 26 : 10) * r); /* below "lost" and "above" */
      if (wide && isLost.some(Boolean)) word(u, "lost", u.bbox.left + u.bbox.width + 6 * devicePixelRatio, u.bbox.top - 3 * devicePixelRatio, "bad", "600");
      if (state.above && !spec.mini) word(u, "\u25b2 " + state.above + " above", wide ? u.bbox.left + u.bbox.width + 6 * devicePixelRatio : u.bbox.left + u.bbox.width, u.bbox.top + (wide ? 13 : 24) * devicePixelRatio, "bad", "600", wide ? "left" : "right");
    }

    function stroke(c, u, x, from, to, name) {
      c.strokeStyle = colour(name);
      c.beginPath(); c.moveTo(x, u.valToPos(from, "y", true)); c.lineTo(x, u.valToPos(to, "y", true) - 1); c.stroke();
    }

    function triangle(c, x, y, s) { c.moveTo(x, y - s); c.lineTo(x + s, y + s); c.lineTo(x - s, y + s); c.closePath(); }

    function text(u, k) {
      var b = state.b, at = clock(b.x[k], true);
      if (b.size > 1) return at + " \u00b7 median " + short(b.median[0][k]) + " ms, " + short(b.least[0][k]) + " to " + short(b.most[0][k]) + " ms";
      var i = state.from[0] + k;
      return at + " \u00b7 frame " + number[i] + " \u00b7 " + (isLost[i] ? "" : short(y[i]) + " ms, ") + page.fates[fate[i]];
    }
    return make(el, spec, data, [{}, { stroke: function () { return "transparent"; }, points: { show: false } }], paint, text, spec.window || [t[0], t[t.length - 1]]);
  }

  /* ---- stages, stacked; waits last ---- */

  function stackChart(el, spec, columns) {
    var t = columns[spec.columns.t], latency = columns[spec.columns.latency], state = {};
    var layers = spec.layers.map(function (each) { return columns[each.column]; });
    spec.range = function (u, min, max) { return [0, Math.max(spec.top, (max || 0) * 1.05)]; };

    function data(range) {
      var b = bucketed(t, layers.concat([latency]), range[0], range[1], Math.max(40, (el.clientWidth - LEFT - RIGHT) / 4));
      var base = b.x.map(function () { return 0; });
      state.b = b;
      state.tops = layers.map(function (_, k) {
        base = base.map(function (v, i) { var m = b.median[k][i]; return v + (m === m ? m : 0); });
        return base;
      });
      note(el, b.size > 1 ? "Bucketed: " + b.size + " frames a step." : "One step a frame.");
      return [b.x, nulls(state.tops[state.tops.length - 1].map(function (v) { return v || NaN; }))];
    }

    function paint(u) {
      var b = state.b, n = b.x.length, edges = [];
      for (var i = 0; i <= n; i++) edges.push(u.valToPos(i === 0 ? b.x[0] : i === n ? b.x[n - 1] : (b.x[i - 1] + b.x[i]) / 2, "x", true));
      clipped(u, function (c, r) {
        state.tops.forEach(function (tops, k) {
          var under = k ? state.tops[k - 1] : null;
          c.beginPath();
          for (var i = 0; i < n; i++) { var y = u.valToPos(tops[i], "y", true); c.lineTo(edges[i], y); c.lineTo(edges[i + 1], y); }
          for (i = n - 1; i >= 0; i--) { y = u.valToPos(under ? under[i] : 0, "y", true); c.lineTo(edges[i + 1], y); c.lineTo(edges[i], y); }
          c.closePath();
          c.fillStyle = spec.layers[k].waits ? hatch(spec.layers[k].slot) : colour(spec.layers[k].slot);
          c.fill();
          c.strokeStyle = colour("bg"); c.lineWidth = r; c.stroke();
        });
        c.strokeStyle = colour("ink"); c.lineWidth = r; c.beginPath();
        for (var i = 0; i < n; i++) { var m = b.most[layers.length][i]; if (m === m) { c.lineTo(edges[i], u.valToPos(m, "y", true)); c.lineTo(edges[i + 1], u.valToPos(m, "y", true)); } }
        c.stroke();
      });
      var wide = u.width > NARROW - 60, r = devicePixelRatio;
      if (spec.deadline) level(u, spec.deadline, "deadline " + spec.deadline + " ms", false);
      if (!wide || !n) return;
      var last = Math.max(0, n - Math.max(1, Math.round(n / 10))), low = Infinity;
      spec.layers.forEach(function (layer, k) {
        var under = k ? median(state.tops[k - 1].slice(last)) : 0, over = median(state.tops[k].slice(last));
        low = Math.min(u.valToPos((under + over) / 2, "y", true), low - 13 * r);
        word(u, layer.name, u.bbox.left + u.bbox.width + 8 * r, low, "ink2");
      });
    }

    function text(u, k) {
      var b = state.b;
      return clock(b.x[k], true) + " \u00b7 " + spec.layers.map(function (layer, j) { return layer.name + " " + (b.median[j][k] === b.median[j][k] ? short(b.median[j][k]) : "\u2013"); }).join(", ") + " ms";
    }
    return make(el, spec, data, [{}, { stroke: function () { return "transparent"; }, points: { show: false } }], paint, text, [t[0], t[t.length - 1]]);
  }

  /* ---- plain lines: tracks, blocks, deliveries ---- */

  function lineChart(el, spec, columns) {
    var joined = uPlot.join(spec.series.map(function (s) { return [Array.from(columns[s.x]), nulls(Array.from(columns[s.y]))]; }), spec.series.map(function () { return [0, 1]; }));
    if (spec.abscissa === "block") { /* a step lies around its number */
      joined = joined.map(function (column, k) { return k ? column.concat(column[column.length - 1]) : column.map(function (v) { return v - 0.5; }).concat(column[column.length - 1] + 0.5); });
    }
    var end = joined[0][joined[0].length - 1], start = joined[0][0], shown = joined;
    var span = null, scattered = spec.series.some(function (s) { return s.points; }); /* few already, and the longest */
    spec.pair = !spec.time;
    spec.range = function (u, min, max) {
      spec.levels.forEach(function (each) { min = Math.min(min, each.y); max = Math.max(max, each.y); });
      if (span && min !== null && max !== null) span.least.forEach(function (low, k) {
        low.forEach(function (v, i) { if (v === v) { min = Math.min(min, v); max = Math.max(max, span.most[k][i]); } });
      });
      if (min === null || max === null) return [0, 1];
      var room = (max - min || Math.abs(max) || 1) * 0.15;
      return [spec.zero ? Math.min(0, min) : min - room, spec.top || max + room];
    };
    var series = [{}].concat(spec.series.map(function (s) {
      return {
        ink: s.colour, stroke: function () { return colour(s.colour); }, width: s.dash ? 1.3 : 1.2, spanGaps: !spec.time,
        dash: s.dash ? [1, 3] : undefined,
        points: s.points ? { show: true, size: 3.5, width: 0, fill: function () { return colour(s.colour); } } : { show: joined[0].length < 3 },
        paths: s.points ? function () { return null; } : s.step ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear()
      };
    }));

    /* the span of each bucket, pale: a median hides what was short */
    function spans(u) {
      clipped(u, function (c, r) {
        c.globalAlpha = 0.28;
        c.lineWidth = r;
        spec.series.forEach(function (s, k) {
          c.strokeStyle = colour(s.colour);
          c.beginPath();
          span.x.forEach(function (v, i) {
            if (!(span.most[k][i] > span.least[k][i])) return;
            var x = Math.round(u.valToPos(v, "x", true)) + 0.5;
            c.moveTo(x, u.valToPos(span.least[k][i], "y", true)); c.lineTo(x, u.valToPos(span.most[k][i], "y", true));
          });
          c.stroke();
        });
        c.globalAlpha = 1;
      });
    }

    function paint(u) {
      if (span) spans(u);
      var wide = u.width > NARROW - 60 && !spec.pair, r = devicePixelRatio, low = -Infinity, high = u.bbox.top + u.bbox.height - 2 * r;
      spec.levels.forEach(function (each) { level(u, each.y, each.text, false); });
      if (!wide || spec.series.length < 2) return;
      spec.series.map(function (s, k) {
        var v = joined[k + 1], i = v.length - 1;
        while (i > 0 && (v[i] === null || v[i] === undefined || joined[0][i] > u.scales.x.max)) i--;
        if (s.points) return { name: s.name, colour: s.colour, y: u.bbox.top + (8 + 15 * k) * r };
        return { name: s.name, colour: s.colour, y: u.valToPos(v[i] || 0, "y", true) };
      }).sort(function (a, b) { return a.y - b.y; }).map(function (each) {
        low = each.y = Math.max(each.y, low + 13 * r);
        return each;
      }).reverse().forEach(function (each) {
        high = Math.min(each.y, high);
        word(u, each.name.length > 18 ? each.name.slice(0, 17) + "\u2026" : each.name, u.bbox.left + u.bbox.width + 6 * r, high, each.colour);
        high -= 13 * r;
      });
    }

    function text(u, k) {
      var x = shown[0][k];
      var said = spec.series.map(function (s, j) { var v = shown[j + 1][k]; return v === null || v === undefined ? "" : (spec.series.length > 1 ? s.name + " " : "") + short(v) + " " + spec.unit; }).filter(Boolean);
      return (spec.time ? clock(x, true) : spec.abscissa === "block" ? "block " + (k + 1) : short(x) + " s") + " \u00b7 " + (said.join(", ") || "no value");
    }
    /* over two samples a pixel, the median and the span of each bucket; one without a value stays a gap */
    function data(range) {
      var points = Math.max(60, el.clientWidth - LEFT - RIGHT), inside = bounds(joined[0], range[0], range[1]);
      shown = joined;
      span = null;
      if (!spec.time || scattered || inside[1] - inside[0] <= 2 * points) { if (spec.time) note(el, ""); return joined; }
      var b = bucketed(joined[0], joined.slice(1).map(numbers), range[0], range[1], points / 2);
      span = b;
      note(el, "Bucketed: line median of " + b.size + " samples, pale the span of each.");
      shown = [b.x].concat(b.median.map(nulls));
      return shown;
    }

    return make(el, spec, data, series, paint, text, spec.abscissa === "block" ? [start, end] : [spec.time ? start : 0, end]);
  }

  /* ---- one chart ---- */

  function note(el, text) {
    var place = el.closest("figure").querySelector(".bucket");
    if (place) place.textContent = text;
  }

  function make(el, spec, data, series, paint, text, extent) {
    var chart = { el: el, spec: spec, time: !spec.mini && (spec.kind !== "lines" || spec.time), extent: extent, text: text, paint: paint };
    chart.draw = function (range) {
      chart.range = range;
      var rows = data(range);
      if (!chart.u) {
        chart.u = new uPlot(options(el, spec, series, paint), rows, el);
        chart.u.chart = chart;
        el.classList.add("drawn");
      } else chart.u.setData(rows, false);
      chart.u.setScale("x", { min: range[0], max: range[1] });
    };
    chart.rebuild = function () {
      if (chart.u) { chart.u.destroy(); chart.u = null; }
      chart.draw(chart.range);
    };
    return chart;
  }

  function whole() {
    var timed = charts.filter(function (c) { return c.time; });
    return [Math.min.apply(null, timed.map(function (c) { return c.extent[0]; })), Math.max.apply(null, timed.map(function (c) { return c.extent[1]; }))];
  }

  /* what is folded away is drawn when it is opened */
  function folded(el) { return el.closest("details:not([open])") !== null; }

  function zoom(range) {
    if (range === false) return;
    charts.forEach(function (c) {
      if (!c.time) return;
      c.range = range || whole();
      if (!folded(c.el)) c.draw(c.range);
    });
  }

  var spoken = 0;
  function read(u) {
    var chart = u.chart, k = u.cursor.idx, place = chart && chart.el.parentNode.querySelector(".readout");
    if (!place) return;
    if (k === null || k === undefined || u.cursor.left < 0) { place.textContent = ""; return; }
    var text = chart.text(u, k);
    place.setAttribute("aria-live", document.activeElement === chart.el ? "polite" : "off");
    if (document.activeElement !== chart.el) { place.textContent = text; return; }
    clearTimeout(spoken);
    spoken = setTimeout(function () { place.textContent = text; }, 60);
  }

  function step(chart, by) {
    var u = chart.u, n = u.data[0].length, k = u.cursor.idx;
    k = k === null || k === undefined ? (by > 0 ? 0 : n - 1) : Math.max(0, Math.min(n - 1, k + by));
    u.setCursor({ left: u.valToPos(u.data[0][k], "x"), top: 10 }, true, true);
  }

  function keys(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    var chart = charts.filter(function (c) { return c.el === document.activeElement; })[0];
    if (chart && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
      step(chart, (event.key === "ArrowRight" ? 1 : -1) * (event.shiftKey ? 10 : 1));
      event.preventDefault();
    } else if (event.key === "0") zoom(null);
    else if (event.key === "?") document.getElementById("help").hidden = !document.getElementById("help").hidden;
    else if (event.key === "Escape") document.getElementById("help").hidden = true;
    else if (event.key === "j" || event.key === "k") {
      var seen = charts.filter(function (c) { return !folded(c.el); });
      var now = seen.indexOf(chart), next = seen[Math.max(0, Math.min(seen.length - 1, now + (event.key === "j" ? 1 : -1)))];
      if (next) { next.el.focus(); next.el.scrollIntoView({ block: "center" }); }
    }
  }

  /* ---- what the page offers: theme, rows to keep, paper ---- */

  function theme() {
    var root = document.documentElement, button = document.getElementById("theme"), modes = ["auto", "light", "dark"];
    function say() { button.textContent = "Theme: " + (root.getAttribute("data-theme") || "auto"); }
    button.hidden = false;
    say();
    button.addEventListener("click", function () {
      var next = modes[(modes.indexOf(root.getAttribute("data-theme") || "auto") + 1) % 3];
      if (next === "auto") root.removeAttribute("data-theme"); else root.setAttribute("data-theme", next);
      try { if (next === "auto") localStorage.removeItem("liveprobe-theme"); else localStorage.setItem("liveprobe-theme", next); } catch (refused) { /* without storage the choice lasts as long as the page */ }
      say();
      charts.forEach(function (c) { if (c.u) c.u.redraw(false); });
    });
    matchMedia("(prefers-color-scheme:dark)").addEventListener("change", function () { charts.forEach(function (c) { if (c.u) c.u.redraw(false); }); });
  }

  function offerRows(columns) {
    var button = document.getElementById("save"), latency = page.charts.latency, stack = page.charts.stack;
    if (!button || !latency) return;
    button.hidden = false;
    button.addEventListener("click", function () {
      var c = latency.columns, names = ["frame", "scheduled_s", "fate", "latency_ms"], picked = [columns[c.number], columns[c.t], columns[c.fate], columns[c.latency]];
      if (stack) stack.layers.forEach(function (layer) { names.push('"' + layer.name.replace(/"/g, '""') + '_ms"'); picked.push(columns[layer.column]); });
      var rows = [names.join(",")];
      for (var i = 0; i < picked[0].length; i++) rows.push(picked.map(function (column, k) { return k === 2 ? page.fates[column[i]] : column[i] === column[i] ? +column[i].toFixed(6) : ""; }).join(","));
      var link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([rows.join("\n") + "\n"], { type: "text/csv" }));
      link.download = "frames.csv";
      link.click();
      setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
    });
  }

  function paper() {
    var opened = [];
    addEventListener("beforeprint", function () { document.querySelectorAll("details.fold:not([open])").forEach(function (each) { each.open = true; opened.push(each); }); });
    addEventListener("afterprint", function () { opened.splice(0).forEach(function (each) { each.open = false; }); });
  }

  function start(columns) {
    var kinds = { latency: latencyChart, stack: stackChart, lines: lineChart };
    document.querySelectorAll("[data-chart]").forEach(function (el) {
      var spec = page.charts[el.getAttribute("data-chart")];
      charts.push(kinds[spec.kind](el, spec, columns));
    });
    var range = charts.some(function (c) { return c.time; }) ? whole() : null;
    charts.forEach(function (c) {
      c.range = c.time ? range : c.extent;
      if (!folded(c.el)) c.draw(c.range);
    });
    document.querySelectorAll("details").forEach(function (each) {
      each.addEventListener("toggle", function () {
        charts.forEach(function (c) { if (each.contains(c.el) && !folded(c.el)) c.rebuild(); });
        counted();
      });
    });
    var wait = 0, width = innerWidth;
    addEventListener("resize", function () {
      if (innerWidth === width) return;
      width = innerWidth;
      clearTimeout(wait);
      wait = setTimeout(function () { charts.forEach(function (c) { if (!folded(c.el)) c.rebuild(); }); }, 120);
    });
    addEventListener("keydown", keys);
    offerRows(columns);
    counted();
  }

  function counted() {
    document.documentElement.setAttribute("data-drawn", String(charts.filter(function (c) { return c.u; }).length));
  }

  theme();
  paper();
  if (document.querySelector("[data-chart]")) {
    unpack().then(start).catch(function (why) {
      document.querySelectorAll("[data-chart]").forEach(function (el) { el.classList.add("failed"); });
      document.documentElement.setAttribute("data-drawn", "static: " + why.message);
    });
  } else document.documentElement.setAttribute("data-drawn", "0");
})();

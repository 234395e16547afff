# The C extension has the interface of its Python twin.
from probe.recorder.pen import Pen as Pen
from probe.recorder.pen import connect as connect
from probe.recorder.pen import forget as forget
from probe.recorder.pen import frame as frame
from probe.recorder.pen import mark as mark
from probe.recorder.pen import stage as stage

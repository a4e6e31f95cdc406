"""Pane 2: the generations of the component under the tree's cursor."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text

from dysnomia_store.model import Generation
from dysnomia_store.names import ComponentKey
from dysnomia_tui.app.present import generations
from dysnomia_tui.app.present.columns import Order
from dysnomia_tui.app.present.text import escaped
from dysnomia_tui.app.present.times import Times
from dysnomia_tui.app.widgets.virtual_table import VirtualTable

_AROUND = 9
"""Cells of the frame that its lower line cannot have, and of the gap before the legend."""


class GenerationsPane(VirtualTable[Generation]):
    """The list of one component; what was read and marked of others is remembered."""

    def __init__(self) -> None:
        super().__init__(key=lambda g: g.number, words=generations.words, markable=True, widget_id="generations")
        self._known: dict[ComponentKey, tuple[Generation, ...]] = {}
        self._alone: dict[ComponentKey, Mapping[str, int]] = {}
        self._marked: dict[ComponentKey, frozenset[int]] = {}
        self._wanted: tuple[ComponentKey, int | None] | None = None
        self._orders: dict[ComponentKey, Order] = {}
        self._arrived = False
        """Whether what is shown was read before it was shown, and not again since."""
        self.of: ComponentKey | None = None
        """Whose generations are shown."""
        self._wide = False

    def on_resize(self) -> None:
        super().on_resize()
        self.show_position(wide=self._wide)

    @property
    def marked(self) -> tuple[int, ...]:
        """The numbers of the marked ones."""
        return tuple(sorted(self._marked.get(self.of, ()))) if self.of is not None else ()

    def keep_marks(self) -> frozenset[int]:
        """Remember what is marked now, for when the component is shown again."""
        numbers = frozenset(number for number in self.marks if isinstance(number, int))
        if self.of is not None:
            self._marked[self.of] = numbers
        return numbers

    def want(self, key: ComponentKey, number: int | None) -> None:
        """Put the cursor on a generation: now where its component is shown, else as soon as it has been read."""
        self._wanted = (key, number)
        if self.of == key and number is not None:
            self.set_filter("")
            if self.go_to(number):
                # Reached: kept, it would take the cursor back here when the list is read the next time.
                self._wanted = None

    def want_nothing(self) -> None:
        """Forget what was wanted."""
        self._wanted = None

    def show_component(self, key: ComponentKey | None, times: Times) -> None:
        """Show what is known of a component."""
        if self.of is not None:
            self._orders[self.of] = self.order
        if self._wanted is not None and self._wanted[0] == self.of != key:
            self._wanted = None
        self.of = key
        self._arrived = True
        self.set_filter("")
        self.set_order(self._orders.get(key, Order()) if key is not None else Order())
        self.set_marks(())
        self.set_items(self._known.get(key, ()) if key is not None else ())
        self.set_empty(Text("reading its generations…" if key is not None else "", style="dim"))
        if key is not None:
            self.set_marks(sorted(self._marked.get(key, ())))
            self.act_top()
        self.lay_out(times)

    def have(self, key: ComponentKey, generations: tuple[Generation, ...], times: Times) -> bool:
        """Take what was read of a component; False where another is shown by now."""
        self._known[key] = generations
        if key != self.of:
            return False
        wanted = None
        if self._wanted is not None and self._wanted[0] == key:
            # Kept while another component answers: it may be shown, and read, before the cursor has come to this one.
            wanted, self._wanted = self._wanted[1], None
        if wanted is None and self._arrived and self.row == 0 and not self.order.column and generations:
            # Whoever comes to a component is on its newest generation, also where that was made since the last look.
            wanted = generations[0].number
        self._arrived = False
        self.set_empty(Text("no generation yet", style="dim"))
        if tuple(self.items) != generations or wanted is not None:
            self.set_items(generations, to=wanted)
            self.set_marks(sorted(set(self._marked.get(key, ())) & {g.number for g in generations}))
        self.lay_out(times)
        return True

    def have_alone(self, key: ComponentKey, freed_alone: Mapping[str, int], times: Times) -> bool:
        """Take what each snapshot of a component alone holds; False where another is shown by now."""
        self._alone[key] = freed_alone
        if key != self.of:
            return False
        self.lay_out(times)
        return True

    def alone(self, generation: Generation) -> int | None:
        """The bytes that come back when it is deleted; None while that is not known."""
        return self._alone.get(generation.key, {}).get(generation.id)

    def have_not(self, problem: str) -> None:
        """Say why they could not be read."""
        self.set_empty(Text(problem, style="bold red"))

    def lay_out(self, times: Times) -> None:
        """Lay the columns out for the pane's width and the longest number."""
        known = self._known.get(self.of, ()) if self.of is not None else ()
        digits = len(str(max((generation.number for generation in known), default=0)))
        self.set_columns_by_width(lambda cells: generations.columns(cells, times, digits, self.alone))

    def show_position(self, *, wide: bool) -> None:
        """Write which line of how many the cursor is on, under the list; where it is ``wide``, what its signs mean."""
        self._wide = wide
        if not self.items:
            self.border_subtitle = ""
            return
        hidden = f" of {len(self.items)}, filter: {self.filter_text}" if self.filter_text else ""
        place = f"{self.row + 1 if self.shown else 0}/{len(self.shown)}{hidden}"
        room = self.outer_size.width - _AROUND - len(place) if wide and not hidden else 0
        self.border_subtitle = escaped(f"{place}   {generations.legend(room)}".rstrip())

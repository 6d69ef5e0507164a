/// Which heap a reference points into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Class {
    /// The program's constants: equal content, equal reference.
    #[default]
    Base,
    /// The request's facts; its text is never equal to text of the base.
    Request,
    /// The expression at hand; lives until that expression has a value.
    Temporary,
}

const CLASS_SHIFT: u32 = 30;
const INDEX_MASK: u32 = (1 << CLASS_SHIFT) - 1;

/// A place in one of the three heaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ref(u32);

impl Ref {
    /// `None` when `index` is out of the range of a reference.
    pub(super) fn new(class: Class, index: usize) -> Option<Self> {
        let index = u32::try_from(index).ok().filter(|index| *index <= INDEX_MASK)?;
        let tag = match class {
            Class::Base => 0,
            Class::Request => 1,
            Class::Temporary => 2,
        };
        Some(Self(tag << CLASS_SHIFT | index))
    }

    /// The heap it points into.
    #[inline]
    pub(super) fn class(self) -> Class {
        match self.0 >> CLASS_SHIFT {
            0 => Class::Base,
            1 => Class::Request,
            _ => Class::Temporary,
        }
    }

    /// The place in that heap.
    #[inline]
    pub(super) fn index(self) -> usize {
        (self.0 & INDEX_MASK) as usize
    }
}

/// A ground term, two words long whatever it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Value {
    /// `null`.
    #[default]
    Null,
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// Seconds since 1970.
    Date(u64),
    /// UTF-8 text.
    Str(Ref),
    /// Bytes.
    Bytes(Ref),
    /// A set.
    Set(Ref),
    /// An array.
    Array(Ref),
    /// A map.
    Map(Ref),
}

impl Value {
    /// The place of its type in the order of Biscuit's builder terms.
    pub(super) fn rank(self) -> u8 {
        match self {
            Value::Int(_) => 0,
            Value::Str(_) => 1,
            Value::Date(_) => 2,
            Value::Bytes(_) => 3,
            Value::Bool(_) => 4,
            Value::Set(_) => 5,
            Value::Null => 6,
            Value::Array(_) => 7,
            Value::Map(_) => 8,
        }
    }

    /// The name `.type()` gives.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Value::Int(_) => "integer",
            Value::Str(_) => "string",
            Value::Date(_) => "date",
            Value::Bytes(_) => "bytes",
            Value::Bool(_) => "bool",
            Value::Set(_) => "set",
            Value::Null => "null",
            Value::Array(_) => "array",
            Value::Map(_) => "map",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_keeps_its_class_and_index() {
        for class in [Class::Base, Class::Request, Class::Temporary] {
            for index in [0, 1, INDEX_MASK as usize] {
                let reference = Ref::new(class, index).unwrap();
                assert_eq!((reference.class(), reference.index()), (class, index));
            }
            assert_eq!(Ref::new(class, INDEX_MASK as usize + 1), None);
        }
    }

    #[test]
    fn a_value_is_two_words() {
        assert_eq!(size_of::<Value>(), 16);
    }
}
